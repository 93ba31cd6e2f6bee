"""Health, numbers, logs, backups."""

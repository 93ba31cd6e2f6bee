"""Prompts as jobs that wait, run, end, and outlive the process: records, the queue, the SQLite store."""

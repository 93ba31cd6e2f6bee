"""Packs in processes of their own: those whose Python packages can't be in one process with the host's."""

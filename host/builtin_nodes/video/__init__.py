"""Videos: as values, in files, and as what video models start from."""

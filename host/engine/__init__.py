"""Runs node graphs. Imports neither torch nor a web framework nor the model manager."""

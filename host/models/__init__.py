"""Knows model files and holds their weights. Knows nothing of graphs."""

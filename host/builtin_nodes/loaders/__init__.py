"""Nodes that open model files."""

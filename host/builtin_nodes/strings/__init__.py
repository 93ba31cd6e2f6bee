"""Nodes for texts."""

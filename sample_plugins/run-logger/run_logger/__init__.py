"""Writes how long each node took into a CSV file."""

"""Telling other programs what changed."""

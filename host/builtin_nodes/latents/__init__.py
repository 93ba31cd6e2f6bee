"""Nodes that make latents, change them, and keep them in files."""

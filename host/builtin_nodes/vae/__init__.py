"""Nodes between images and latents."""

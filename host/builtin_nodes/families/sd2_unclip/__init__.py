"""Stable Diffusion 2.1 unCLIP: makes variations of a picture, as an image encoder sees it."""

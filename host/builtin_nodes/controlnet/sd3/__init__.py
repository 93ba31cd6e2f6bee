"""Control networks for Stable Diffusion 3 and 3.5."""

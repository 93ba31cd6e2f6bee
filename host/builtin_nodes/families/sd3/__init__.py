"""Stable Diffusion 3 and 3.5: a transformer of joint blocks, CLIP-L, CLIP-G and T5 for text, 16 latent channels."""

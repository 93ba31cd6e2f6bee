"""Stable Diffusion 1.x: a UNet of latent diffusion, CLIP-L for text, a KL autoencoder with 4 latent channels."""

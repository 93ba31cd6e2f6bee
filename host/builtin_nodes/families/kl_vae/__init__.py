"""The autoencoder of latent diffusion: KL-regularised, two-dimensional, 4 or 16 latent channels.

As a family it knows VAE files that stand alone; inside checkpoints it serves the family of the denoiser.
"""

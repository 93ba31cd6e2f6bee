"""Flux: a transformer of double and single blocks, CLIP-L and T5 for text, an autoencoder with 16 latent channels."""

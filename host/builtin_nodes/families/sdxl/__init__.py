"""Stable Diffusion XL: a UNet with vector conditioning, CLIP-L and OpenCLIP-G for text (Podell et al. 2023)."""

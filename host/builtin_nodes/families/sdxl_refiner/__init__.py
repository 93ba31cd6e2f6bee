"""The refiner of Stable Diffusion XL: a UNet for the last noise levels, OpenCLIP-G for text (Podell et al. 2023)."""

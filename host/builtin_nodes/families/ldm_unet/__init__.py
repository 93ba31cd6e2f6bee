"""The UNet of latent diffusion (Rombach et al. 2022), as Stable Diffusion 1, 2 and XL share it."""

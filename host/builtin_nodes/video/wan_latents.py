"""Statistics of the latents of the Wan video autoencoders: model space is ``(latent - mean) / deviation``."""

from __future__ import annotations

WAN21_MEAN = (
    *(-0.7571, -0.7089, -0.9113, 0.1075, -0.1745, 0.9653, -0.1517, 1.5508),
    *(0.4134, -0.0715, 0.5517, -0.3632, -0.1922, -0.9497, 0.2503, -0.2921),
)
"""Of the 16 channels of Wan 2.1, which Cosmos-Predict2 shares (diffusers, ``AutoencoderKLWan.latents_mean``)."""

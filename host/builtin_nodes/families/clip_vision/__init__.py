"""Image encoders: the other half of CLIP (Radford et al. 2021), and SigLIP's (Zhai et al. 2023)."""

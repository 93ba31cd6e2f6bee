"""A family of unconditional diffusion models on pixels (Ho et al. 2020), and one small model of it."""

"""Stable Diffusion 2.x: a UNet with linear layers around its transformers, OpenCLIP-H for text."""

"""Several text encoders that serve one denoiser together, in one file or in files of their own."""

"""Changes inside a denoising network: for speed, for size, and for looks."""

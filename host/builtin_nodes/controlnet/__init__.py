"""Control networks and adapters: pictures, beside the prompt, that steer what a denoiser does."""

"""The Comfy Registry's public API, as its clients expect it."""

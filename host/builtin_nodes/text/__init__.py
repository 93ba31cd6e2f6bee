"""Prompts: emphasis, tokens, textual inversion, and the CLIP text encoders."""

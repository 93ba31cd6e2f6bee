"""Guidance: rules that nodes put around classifier-free guidance, and patches of the network that do the same."""

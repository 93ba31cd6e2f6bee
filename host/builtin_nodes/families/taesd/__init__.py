"""Tiny autoencoders (TAESD and its kin, by Ollin Boer Bohan): fast, small, and not quite exact."""

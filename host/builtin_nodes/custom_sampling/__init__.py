"""Sampling taken apart: noise, guidance, algorithm and noise levels as nodes of their own."""

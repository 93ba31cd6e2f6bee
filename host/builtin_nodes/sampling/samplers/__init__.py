"""Sampling algorithms: one function each, grouped by the method they come from."""

"""Chooses devices and attention functions by rules, and tells what a model file is from a note beside it."""

"""Masks: made from pictures, changed, combined."""

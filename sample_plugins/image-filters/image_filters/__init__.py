"""Filters for images: plain tensor functions, and nodes around them."""

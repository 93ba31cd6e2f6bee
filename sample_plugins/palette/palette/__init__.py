"""Nodes about palettes: small sets of colours, taken from images and put back into them."""

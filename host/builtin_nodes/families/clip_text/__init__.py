"""CLIP text encoders inside model files, in the layout of the transformers library."""

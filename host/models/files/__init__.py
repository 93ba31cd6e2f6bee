"""Model files: what their headers say, and their tensors as memory that is read when it is used."""

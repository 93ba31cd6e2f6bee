"""Everything that computes, on a pretended CUDA device: what would meet tensors of another device there fails here."""

"""Weights and layers while they are computed with: made on use, streamed, packed for the CPU, compiled."""

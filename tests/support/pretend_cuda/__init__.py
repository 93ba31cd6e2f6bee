"""A CUDA device for tests on machines without one: it computes on the CPU, and refuses what a real one refuses."""

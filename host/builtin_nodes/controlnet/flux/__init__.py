"""Control networks for Flux."""

"""Models made of other models: merged weight by weight, saved, and compared."""

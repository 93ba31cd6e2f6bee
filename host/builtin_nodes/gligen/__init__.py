"""GLIGEN (Li et al. 2023): says in words what belongs in which box of an image."""

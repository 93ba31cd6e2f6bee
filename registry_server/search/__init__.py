"""Finding packs by text."""

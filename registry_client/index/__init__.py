"""What registries offer: an ``Index`` to ask, kept as a local copy that is brought up to date by changes."""

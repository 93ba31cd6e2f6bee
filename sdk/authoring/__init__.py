"""What authors of packs run on their own machine: check a pack, build its archive."""

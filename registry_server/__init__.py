"""The registry: an index of versioned node packs with their requirements, node ids, owners and scan findings."""

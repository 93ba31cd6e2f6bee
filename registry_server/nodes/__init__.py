"""Who owns a node id, and who else claims it."""

"""Results kept for the next prompt: in memory by bytes and by what they cost to make, and on disk across processes."""

"""Sound: made, cut, mixed."""

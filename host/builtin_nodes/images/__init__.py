"""Pictures: in from files, out to files, and resized on the way."""

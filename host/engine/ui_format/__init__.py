"""The graph editor's saved format, read into the prompt that the engine runs."""

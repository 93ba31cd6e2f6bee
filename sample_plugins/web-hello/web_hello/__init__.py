"""A greeting in the graph editor: a script, a route it asks, texts in two languages, and a node."""

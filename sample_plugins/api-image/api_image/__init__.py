"""Images by a model that nobody can download: it runs behind an HTTP API."""

"""Installs packs: finds, resolves, verifies and switches to them in one step."""

"""Rewrites prompts with a language model behind an HTTP endpoint."""

"""Nodes that make conditioning of prompts, and say where, when and how it counts."""

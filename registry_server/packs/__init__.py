"""Packs and their releases: what is known of them, and which state they are in."""

"""Runs existing ComfyUI packs: turns their node definitions into ours and provides the modules they import."""

"""The Python packages that packs need and the host lacks: chosen and installed by uv, around what the host has."""

"""What packs find behind ``comfy``, ``nodes``, ``folder_paths`` and the like; ``offered`` maps the names."""

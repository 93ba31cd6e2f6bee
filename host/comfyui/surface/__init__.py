"""What packs find behind ``comfy``, ``comfy_api`` and ``comfy_execution``; ``finder`` maps the names."""

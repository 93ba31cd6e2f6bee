"""``python -m host.cli`` is ``comfy-nodes``."""

from host.cli import main

main()

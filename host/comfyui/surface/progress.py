"""``comfy.utils``: the progress bar that nodes update while they run."""

from __future__ import annotations

from typing import Any

from host.comfyui.running import running

__all__ = ["ProgressBar"]


class ProgressBar:
    """A progress bar at the node that makes it; outside of nodes it shows nothing.

    Updating raises ``Cancelled`` once the job is cancelled.
    """

    def __init__(self, total: float, node_id: str | None = None) -> None:
        self.total = total
        self.current: float = 0
        self.node_id = node_id
        self._owner = running()

    def update(self, value: float) -> None:
        """Advance by ``value`` steps."""
        self.update_absolute(self.current + value)

    def update_absolute(self, value: float, total: float | None = None, preview: Any = None) -> None:
        """Stand at ``value`` of ``total`` steps; ``preview`` is an image, or (format, image, longest side)."""
        if total is not None:
            self.total = total
        self.current = min(value, self.total)
        owner = self._owner or running()
        if owner is not None:
            picture = preview[1] if isinstance(preview, tuple) else preview
            owner.context.progress(self.current, self.total, preview=picture)

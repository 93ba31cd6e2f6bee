"""``comfy.utils``: the progress bar that nodes update while they run."""

from __future__ import annotations

import io
from typing import Any

from host.comfyui.running import running
from sdk.previews import SentPicture

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
        """Stand at ``value`` of ``total`` steps.

        Args:
            preview: a Pillow image, or (format, image, longest side), format being "JPEG" or "PNG". A JPEG with a
                longest side is a preview like those of a sampler; the others reach the client in any case, in full size
                where the side is None.
        """
        if total is not None:
            self.total = total
        self.current = min(value, self.total)
        owner = self._owner or running()
        if owner is not None:
            owner.context.progress(self.current, self.total, preview=_shown(preview))


def _shown(preview: Any) -> Any:
    """What a pack calls a preview, in the form that a node's context takes."""
    if not isinstance(preview, tuple):
        return preview
    kind, picture, longest = (*preview, None, None, None)[:3]
    if not hasattr(picture, "save"):
        return None
    if longest is not None:
        picture = picture.copy()
        picture.thumbnail((longest, longest))
    is_png = kind == "PNG"
    return picture if longest is not None and not is_png else _sent(picture, is_png=is_png)


def _sent(picture: Any, *, is_png: bool) -> SentPicture:
    content = io.BytesIO()
    if is_png:
        picture.save(content, "PNG", compress_level=1)
        return SentPicture(content.getvalue())
    picture.convert("RGB").save(content, "JPEG", quality=95)
    return SentPicture(content.getvalue(), "image/jpeg")

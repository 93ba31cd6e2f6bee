"""What this server can do, as it tells its clients."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Features:
    """The answer of ``/features``, which also goes to websocket clients that announce theirs."""

    max_upload_bytes: int

    def as_json(self) -> dict[str, Any]:
        return {"supports_preview_metadata": True, "max_upload_size": self.max_upload_bytes}

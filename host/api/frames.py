"""Binary websocket messages: pictures and lines of text from a running node. Numbers are big-endian, 32 bits."""

from __future__ import annotations

import io
import json
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from host.engine.events import NodeRef
from sdk.previews import SentPicture

if TYPE_CHECKING:
    from PIL.Image import Image

PREVIEW, TEXT, PREVIEW_WITH_METADATA = 1, 3, 4
JPEG, PNG = 1, 2
LONGEST_SIDE = 512


@dataclass(frozen=True, slots=True)
class Frame:
    """One binary message in the two forms that clients understand; None where a client gets none.

    Attributes:
        client_id: who gets it; None for everybody.
        plain: for clients that did not announce ``supports_preview_metadata``.
        with_metadata: for those that did.
    """

    client_id: str | None
    plain: bytes | None
    with_metadata: bytes | None


def preview(picture: Any, node: NodeRef, job_id: str) -> tuple[bytes, bytes] | None:
    """A picture as (frame without, frame with metadata); None for what is no picture.

    Args:
        picture: a Pillow image. Its longest side is brought down to ``LONGEST_SIDE``; transparency makes it a PNG.
    """
    if not hasattr(picture, "save") or not hasattr(picture, "size"):
        return None
    return _framed(*_encoded(picture), node, job_id)


def sent_picture(picture: SentPicture, node: NodeRef, job_id: str) -> tuple[bytes, bytes]:
    """A finished picture as it is, as (frame without, frame with metadata)."""
    kind = JPEG if picture.media_type == "image/jpeg" else PNG
    return _framed(kind, picture.media_type, picture.content, node, job_id)


def _framed(kind: int, mime: str, content: bytes, node: NodeRef, job_id: str) -> tuple[bytes, bytes]:
    facts = {
        "node_id": node.node_id,
        "prompt_id": job_id,
        "display_node_id": node.display_id,
        "parent_node_id": node.parent_id,
        "real_node_id": node.real_id,
        "image_type": mime,
    }
    metadata = json.dumps(facts).encode()
    plain = struct.pack(">II", PREVIEW, kind) + content
    return plain, struct.pack(">II", PREVIEW_WITH_METADATA, len(metadata)) + metadata + content


def node_text(node_id: str, message: str) -> bytes:
    """A line of text to show at a node."""
    name = node_id.encode("utf-8", "replace")
    return struct.pack(">II", TEXT, len(name)) + name + message.encode("utf-8", "replace")


def _encoded(picture: Image) -> tuple[int, str, bytes]:
    small = picture.copy()
    small.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
    content = io.BytesIO()
    if small.mode in ("RGBA", "LA", "P"):
        small.convert("RGBA").save(content, "PNG", compress_level=1)
        return PNG, "image/png", content.getvalue()
    small.convert("RGB").save(content, "JPEG", quality=95)
    return JPEG, "image/jpeg", content.getvalue()

"""Sets how a text encoder's T5 pads prompts."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from host.builtin_nodes.families.t5.adapter import T5Adapter
from host.builtin_nodes.families.text_encoders.adapter import JointTextAdapter
from sdk import ModelHandle


def with_padding(clip: ModelHandle, *, min_padding: int, min_length: int) -> ModelHandle:
    """The handle, whose T5 pads prompts to ``min_length`` tokens and by at least ``min_padding``.

    A handle without T5 comes back as it is.
    """

    def padded(adapter: Any) -> Any:
        if isinstance(adapter, T5Adapter):
            return replace(adapter, min_length=min_length, min_padding=min_padding)
        if isinstance(adapter, JointTextAdapter):
            return replace(adapter, encoders={key: padded(own) for key, own in adapter.encoders.items()})
        return adapter

    return replace(clip, adapter=padded(clip.adapter))

"""What the pack brings: a model family, and the nodes that a model without prompts needs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sdk import ModelFamily, NodeType, hookimpl
from tiny_ddpm.family import TinyDdpmFamily
from tiny_ddpm.nodes import empty_pixels, load_tiny_ddpm, no_prompt


@hookimpl
def register_model_families() -> Sequence[ModelFamily]:
    return [TinyDdpmFamily()]


@hookimpl
def register_nodes() -> Iterable[NodeType]:
    return [load_tiny_ddpm, empty_pixels, no_prompt]

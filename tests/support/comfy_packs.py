"""Packs in ComfyUI's form, written into a test's folder, and one call of one of their nodes."""

from __future__ import annotations

import asyncio
import inspect
import textwrap
from pathlib import Path
from typing import Any

from host.comfyui.loading import ComfyPack, load_pack
from sdk.nodes import NodeResult, NodeType
from tests.support.node_context import LoneContext, context_in

TEST_PACK = Path(__file__).parent / "packs" / "g2_testpack"


def write_pack(folder: Path, source: str, **files: str) -> Path:
    """A pack folder with this ``__init__.py``; more files by module name."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in {"__init__": source, **files}.items():
        (folder / f"{name}.py").write_text(textwrap.dedent(text))
    return folder


def load(folder: Path, source: str, **files: str) -> ComfyPack:
    """The pack of this source, imported."""
    return load_pack(write_pack(folder, source, **files))


def node_of(pack: ComfyPack, node_id: str) -> NodeType:
    """The pack's node of that id."""
    return next(node for node in pack.nodes if node.id == node_id)


class Caller:
    """Calls a node as the engine does: one state, one context per prompt."""

    def __init__(self, node: NodeType, base: Path, node_id: str = "1", prompt_id: str = "p") -> None:
        self.node = node
        self.state = node.create() if node.create else None
        self.context: LoneContext = context_in(base)
        self.context.node_id, self.context.prompt_id = node_id, prompt_id

    def __call__(self, **inputs: Any) -> NodeResult:
        result = self.node.run(self.state, inputs, self.context)
        return asyncio.run(_awaited(result)) if inspect.isawaitable(result) else result


async def _awaited(value: Any) -> NodeResult:
    result: NodeResult = await value
    return result

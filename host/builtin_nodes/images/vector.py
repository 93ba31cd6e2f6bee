"""The node that writes vector pictures."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from functools import partial
from typing import IO, Annotated, Any

from host.builtin_nodes.images import saving
from sdk import Hidden, NodeContext, NodeError, NodeResult, NodeType, Socket, hookimpl, node

Svg = Annotated[Any, Socket("SVG", "vector pictures: texts, bytes, or an object whose `data` holds files of them")]
_ROOT = re.compile(rb"<svg\b[^>]*>", re.IGNORECASE)


@node(id="SaveSVGNode", title="SaveSVGNode", category="image/save", output_node=True, returns=type(None))
def save_svg(
    context: NodeContext,
    svg: Svg,
    filename_prefix: str = "svg/ComfyUI",
    prompt: Annotated[Any, Hidden.PROMPT] = None,
    extra_pnginfo: Annotated[Any, Hidden.EXTRA_PNGINFO] = None,
) -> NodeResult:
    """Save vector pictures as SVG files in the output folder, with the workflow inside.

    Args:
        svg: The pictures; each becomes a file of its own.
        filename_prefix: Start of the file names, with the same tokens as in Save Image.
    """
    note = _note(prompt, extra_pnginfo)
    contents = [_with_note(content, note) for content in svg_contents(svg)]
    place = context.folders.place(filename_prefix)
    shown, number = [], place.counter
    for content in contents:
        context.cancel.raise_if_cancelled()
        file = saving.save_numbered(place, partial(_write, content), suffix=".svg", number=number)
        number = file.number + 1
        shown.append(file.shown())
    return NodeResult(ui={"images": shown})


def _write(content: bytes, target: IO[bytes]) -> None:
    target.write(content)


def svg_contents(svg: Any) -> list[bytes]:
    """Each picture's file content.

    Raises:
        NodeError: one of them is no SVG.
    """
    items = getattr(svg, "data", svg)
    items = [items] if isinstance(items, str | bytes) else list(items)
    contents = []
    for item in items:
        content = item.getvalue() if hasattr(item, "getvalue") else item
        content = content.encode() if isinstance(content, str) else content
        if not isinstance(content, bytes) or not _ROOT.search(content):
            raise NodeError("What came in is no SVG: it has no <svg> element. Link a node that makes vector pictures.")
        contents.append(content)
    return contents


def _note(prompt: Any, extra: Mapping[str, Any] | None) -> str:
    entries = {} if prompt is None else {"prompt": prompt}
    entries |= extra or {}
    return json.dumps(entries, indent=4) if entries else ""


def _with_note(content: bytes, note: str) -> bytes:
    """The picture with a text in a metadata element of its own, right behind the root's opening tag."""
    if not note:
        return content
    shielded = note.replace("]]>", "]]]]><![CDATA[>")
    element = f"<metadata>\n<![CDATA[\n{shielded}\n]]>\n</metadata>\n".encode()
    root = _ROOT.search(content)
    assert root is not None, "contents are checked before"
    return content[: root.end()] + b"\n" + element + content[root.end() :]


@hookimpl
def register_nodes() -> Iterable[NodeType]:
    """Nodes for vector pictures."""
    return [save_svg]

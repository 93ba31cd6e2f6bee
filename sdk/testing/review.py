"""What a node lacks that its users would miss."""

from __future__ import annotations

from collections.abc import Iterator

from sdk.nodes import NodeType


def check_node(node: NodeType) -> list[str]:
    """What users can't find out about a node, one sentence for each; empty where nothing is missing.

    Asked for are a description, a category, a tooltip for every input, and names by which the outputs can be told
    apart. ``assert check_node(tint) == []`` keeps a pack presentable.
    """
    return [f"node {node.id!r}: {fault}" for fault in _faults(node)]


def _faults(node: NodeType) -> Iterator[str]:
    if not node.description:
        yield "it has no description; begin its docstring with a sentence"
    if not node.category:
        yield "it has no category; add category=… to @node"
    for item in node.inputs:
        if not item.option("tooltip"):
            yield f"its input {item.name!r} has no tooltip; describe it under Args in the docstring"
    names = [output.name for output in node.outputs]
    if len(set(names)) < len(names):
        yield f"its outputs are called {', '.join(names)}; tell them apart with names=… in @node"
    if not node.outputs and not node.output_node:
        yield "it has neither outputs nor output_node=True, so that nothing would ever run it"

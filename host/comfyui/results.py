"""Turns what pack code returns into a ``NodeResult``."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Any

from host.comfyui.handles import from_pack
from host.comfyui.surface.node_output import NodeOutput
from sdk.nodes import Blocker, NodeResult, Output

logger = logging.getLogger(__name__)


def read_result(value: Any, outputs: Sequence[Output], where: str) -> NodeResult:
    """The result for anything a node may return.

    A tuple or list is padded with None where it is too short, and cut where it is too long; a dict or a
    ``NodeOutput`` carries values, ``ui`` and ``expand``; a bare blocker blocks every output; None is the result of a
    node without outputs.

    Args:
        outputs: what the node declares.
        where: pack and node, for messages.

    Raises:
        TypeError: the value is none of these; a note on the error names the node.
    """
    if isinstance(value, NodeOutput):
        return _read_node_output(value, outputs, where)
    if isinstance(value, Mapping):
        values = value.get("result")
        return NodeResult(
            outputs=_missing(outputs) if values is None else _fit(values, outputs, where),
            ui=_lists(value.get("ui"), where),
            expand=_graph(value.get("expand")),
        )
    if value is None and not outputs:
        return NodeResult()
    return NodeResult(outputs=_fit(value, outputs, where))


def _read_node_output(value: NodeOutput, outputs: Sequence[Output], where: str) -> NodeResult:
    values: Any = value.args
    if value.block_execution is not None:
        if values or value.expand is not None:
            values = Blocker(value.block_execution)
        else:
            # The reference host lets None through here; packs written against it rely on it.
            logger.warning("%s: block_execution blocks nothing because no values were given with it", where)
    return NodeResult(
        outputs=_fit(values, outputs, where) if values else _missing(outputs),
        ui=_lists(_as_dict(value.ui), where),
        expand=_graph(value.expand),
    )


def _graph(expand: Any) -> Any:
    """A sub-graph whose inputs are as the host knows them; anything but a graph is left for the engine to refuse."""
    if not isinstance(expand, Mapping):
        return expand
    return {node_id: _node(node) for node_id, node in expand.items()}


def _node(node: Any) -> Any:
    if not isinstance(node, Mapping) or not isinstance(node.get("inputs"), Mapping):
        return node
    return {**node, "inputs": {name: from_pack(value) for name, value in node["inputs"].items()}}


def _as_dict(ui: Any) -> Any:
    return ui.as_dict() if hasattr(ui, "as_dict") else ui


def _fit(values: Any, outputs: Sequence[Output], where: str) -> tuple[Any, ...]:
    if isinstance(values, Blocker):
        return (values,) * len(outputs)
    try:
        given = tuple(values[index] for index in range(min(len(values), len(outputs))))
    except (TypeError, KeyError) as error:
        error.add_note(f"{where} returned {type(values).__name__}; a node returns a tuple with one value per output")
        raise
    if len(values) > len(outputs):
        logger.warning("%s returned %d values but declares %d outputs", where, len(values), len(outputs))
    return tuple(map(from_pack, given)) + _missing(outputs[len(given) :])


def _missing(outputs: Sequence[Output]) -> tuple[Any, ...]:
    return tuple([None] if output.is_list else None for output in outputs)


def _lists(ui: Any, where: str) -> Mapping[str, Sequence[Any]] | None:
    """``ui`` with every value a list, which is what a node's mapped results are joined as."""
    if ui is None:
        return None
    if not isinstance(ui, Mapping):
        raise TypeError(f"{where} returned {type(ui).__name__} as `ui`; it must be a dict of lists")
    return {key: value if isinstance(value, list) else _to_list(value) for key, value in ui.items()}


def _to_list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, tuple | set | frozenset) else [value]


def finish(value: Any) -> Any:
    """The value, or what it comes to if it is awaitable; for the few places that can't wait asynchronously."""
    if not inspect.isawaitable(value):
        return value
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(copy_context().run, asyncio.run, _awaited(value)).result()


async def _awaited(value: Awaitable[Any]) -> Any:
    return await value

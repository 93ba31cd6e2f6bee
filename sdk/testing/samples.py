"""Values for the inputs of a node under test, made from what the node declares."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import Any

from sdk.errors import SdkError
from sdk.nodes import MISSING, Input, NodeType
from sdk.sockets import COMBO, WILDCARD
from sdk.testing.running import run_node

HEIGHT, WIDTH = 16, 24  # two numbers, so that a node that swaps them is found out
_DEEPEST = 4
_SAMPLE_TEXT = "a sample"


class NoSample(SdkError):
    """There is no value to try an input with; ``reason`` says why."""

    def __init__(self, node: str, name: str, reason: str) -> None:
        super().__init__(node, name, reason)
        self.node, self.name, self.reason = node, name, reason

    def __str__(self) -> str:
        return (
            f"node {self.node!r}: no value to try {self.name!r} with: {self.reason}. Give one with "
            "pytest_sample_inputs in tests/conftest.py."
        )


def sample_inputs(node: NodeType, given: Mapping[str, Any], nodes: Mapping[str, NodeType]) -> dict[str, Any]:
    """A value for every input that has to have one, and for the optional ones that a value is known for.

    Values are defaults; else the smallest that a range allows; else small tensors and texts, always the same. A socket
    type that the pack invents is filled by a node of the pack that gives it.

    Args:
        given: values that are used as they are.
        nodes: of the pack, by id.

    Raises:
        NoSample: an input that the node can't do without has no value.
    """
    return _inputs(node, given, nodes, _DEEPEST)


def _inputs(node: NodeType, given: Mapping[str, Any], nodes: Mapping[str, NodeType], depth: int) -> dict[str, Any]:
    values = dict(given)
    for item in node.inputs:
        if item.name in values or item.default is not MISSING:
            continue
        try:
            value = _value(node, item, nodes, depth)
        except NoSample:
            if item.required:
                raise
            continue
        # A node that takes lists is tried with two items, one that maps over them with one.
        values[item.name] = [value, value] if node.takes_lists and _is_link(item) else value
    return values


def _is_link(item: Input) -> bool:
    return item.type not in ("INT", "FLOAT", "STRING", "BOOLEAN", COMBO)


def _value(node: NodeType, item: Input, nodes: Mapping[str, NodeType], depth: int) -> Any:
    if item.type == COMBO:
        return _choice(node, item)
    if item.type in ("INT", "FLOAT"):
        number = item.option("min", 1)
        return int(number) if item.type == "INT" else float(number)
    for kind in item.type.split(","):
        if make := _MAKERS.get(kind.strip()):
            return make()
    return _produced(node, item, nodes, depth)


def _choice(node: NodeType, item: Input) -> Any:
    if isinstance(item.choices, tuple) and item.choices:
        return item.choices[0]
    raise NoSample(node.id, item.name, f"only a host knows the choices of {item.choices!r}")


def _produced(node: NodeType, item: Input, nodes: Mapping[str, NodeType], depth: int) -> Any:
    """What another node of the pack gives for this type."""
    kinds = {kind.strip() for kind in item.type.split(",")}
    for other in nodes.values():
        for place, output in enumerate(other.outputs):
            if other.id == node.id or depth == 0 or output.type not in kinds or other.deprecated:
                continue
            try:
                value = run_node(other, **_inputs(other, {}, nodes, depth - 1)).outputs[place]
            except SdkError:
                continue
            return value[0] if output.is_list and value else value
    raise NoSample(node.id, item.name, f"no node of the pack gives {item.type} without further ado")


def _tensor(*shape: int) -> Any:
    torch = importlib.import_module("torch")  # by name: the SDK works without torch, and nodes on images don't
    return torch.rand(shape, generator=torch.Generator().manual_seed(0))


def _sigmas() -> Any:
    return importlib.import_module("torch").tensor([10.0, 5.0, 1.0, 0.0])


_MAKERS: Mapping[str, Callable[[], Any]] = {
    "IMAGE": lambda: _tensor(1, HEIGHT, WIDTH, 3),
    "MASK": lambda: _tensor(1, HEIGHT, WIDTH),
    "LATENT": lambda: {"samples": _tensor(1, 4, HEIGHT, WIDTH)},
    "CONDITIONING": lambda: [[_tensor(1, 77, 16), {"pooled_output": _tensor(1, 16)}]],
    "SIGMAS": _sigmas,
    "AUDIO": lambda: {"waveform": _tensor(1, 2, 4410) * 2 - 1, "sample_rate": 44100},
    "STRING": lambda: _SAMPLE_TEXT,
    "BOOLEAN": lambda: False,
    "INT": lambda: 1,
    "FLOAT": lambda: 1.0,
    WILDCARD: lambda: _SAMPLE_TEXT,
}

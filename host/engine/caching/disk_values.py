"""Results as JSON plus tensors, and back: exact, or not at all.

Scalars stand for themselves; everything else is an object with one key that names its kind, so that tuples stay
tuples, dictionaries keep their order and keys of any scalar type, and no class is ever looked up by name.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from typing import Any

from host.engine.caching.cache import NodeUi, Stored
from sdk.nodes import Blocker

_MAX_DEPTH = 64
_MAX_ITEMS = 200_000

_SHARED_DTYPES = frozenset(
    {
        *("float64", "float32", "float16", "complex64", "bool", "int64", "int32", "int16", "int8"),
        *("uint64", "uint32", "uint16", "uint8"),
    }
)
_TORCH_DTYPES = _SHARED_DTYPES | {"bfloat16", "float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2", "float8_e5m2fnuz"}


class NotStorable(Exception):
    """A value that can't be written without losing something; ``problem`` says which."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem


class Encoder:
    """Turns values into JSON and collects the tensors they hold, each once however often it occurs."""

    def __init__(self) -> None:
        self.torch_tensors: dict[str, Any] = {}
        self.numpy_arrays: dict[str, Any] = {}
        self._names: dict[int, str] = {}
        self._items = 0

    def stored(self, result: Stored) -> dict[str, Any]:
        """The result as JSON; raises NotStorable."""
        ui = result.ui
        return {
            "outputs": [self.value(slot, 0) for slot in result.outputs],
            "ui": None
            if ui is None
            else [
                self.value({name: ui.output[name] for name in ui.output}, 0),
                *(ui.node_id, ui.display_id, ui.parent_id, ui.real_id),
            ],
        }

    def value(self, value: Any, depth: int) -> Any:
        """One value as JSON; raises NotStorable."""
        self._items += 1
        if depth > _MAX_DEPTH or self._items > _MAX_ITEMS:
            raise NotStorable("a value that is nested too deep, or holds itself, or has too many items")
        kind = type(value)
        if kind in (list, tuple):
            return {kind.__name__: [self.value(item, depth + 1) for item in value]}
        if kind is dict:
            return {"dict": [[_scalar(key), self.value(item, depth + 1)] for key, item in value.items()]}
        if kind is Blocker:
            return {"blocker": _scalar(value.message)}
        if (library := _library(kind)) is not None:
            return {library: self._tensor(value, library)}
        return _scalar(value)

    def _tensor(self, tensor: Any, library: str) -> str:
        known = self._names.get(id(tensor))
        if known is not None:
            return known
        name = str(len(self._names))
        if library == "torch":
            _check_torch(tensor)
            self.torch_tensors[name] = tensor
        else:
            _check_numpy(tensor)
            self.numpy_arrays[name] = tensor
        self._names[id(tensor)] = name
        return name


def decode_stored(spec: Mapping[str, Any], tensors: Mapping[str, Any]) -> Stored:
    """The result; raises KeyError, TypeError or ValueError for a spec that ``Encoder`` did not make."""
    outputs = tuple(_list(decode_value(slot, tensors)) for slot in spec["outputs"])
    if spec["ui"] is None:
        return Stored(outputs)
    output, node_id, display_id, parent_id, real_id = spec["ui"]
    return Stored(outputs, NodeUi(decode_value(output, tensors), node_id, display_id, parent_id, real_id))


def decode_value(spec: Any, tensors: Mapping[str, Any]) -> Any:
    """The value that a spec describes."""
    if not isinstance(spec, dict):
        return spec
    ((kind, content),) = spec.items()
    match kind:
        case "list":
            return [decode_value(item, tensors) for item in content]
        case "tuple":
            return tuple(decode_value(item, tensors) for item in content)
        case "dict":
            return {decode_value(key, tensors): decode_value(item, tensors) for key, item in content}
        case "torch" | "numpy":
            return tensors[content]
        case "blocker":
            return Blocker(content)
        case "int":
            return int(content, 16)
        case "float":
            number: float = struct.unpack(">d", bytes.fromhex(content))[0]
            return number
    raise ValueError(f"unknown kind of value {kind!r}")


def _list(value: Any) -> list[Any]:
    if type(value) is not list:
        raise TypeError("an output slot is not a list")
    return value


def _scalar(value: Any) -> Any:
    kind = type(value)
    if value is None or kind in (bool, str):
        return value
    if kind is int:
        return value if value.bit_length() <= 64 else {"int": hex(value)}
    if kind is float:
        # The bits, because text loses the sign and the payload of a NaN.
        return value if math.isfinite(value) else {"float": struct.pack(">d", value).hex()}
    raise NotStorable(f"a {kind.__module__}.{kind.__qualname__}")


def _library(kind: type) -> str | None:
    # By name, because the engine imports neither library; by the exact class, because subclasses carry more.
    name = (kind.__module__.partition(".")[0], kind.__qualname__)
    return {("torch", "Tensor"): "torch", ("numpy", "ndarray"): "numpy"}.get(name)


def _check_torch(tensor: Any) -> None:
    if str(tensor.layout) != "torch.strided" or tensor.is_quantized or tensor.requires_grad:
        raise NotStorable("a tensor that is sparse, quantised or part of a gradient's graph")
    if tensor.device.type != "cpu":
        raise NotStorable(f"a tensor on {tensor.device}")
    if str(tensor.dtype).removeprefix("torch.") not in _TORCH_DTYPES:
        raise NotStorable(f"a tensor of {tensor.dtype}")


def _check_numpy(array: Any) -> None:
    if array.dtype.name not in _SHARED_DTYPES or not array.dtype.isnative:
        raise NotStorable(f"an array of {array.dtype}")

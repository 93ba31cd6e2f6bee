"""Values on their way to another process: their structure as a pickle of plain types, their tensors as memory.

Only plain types and the SDK's own records are ever built from what the other side says; whatever else a pack gives
stays where it is, and a ``Kept`` stands for it.
"""

from __future__ import annotations

import collections
import io
import pickle
import sys
from collections.abc import Callable, Sequence
from enum import Enum
from pathlib import Path, PurePath
from typing import Any, Protocol

from host.isolation.segments import ALIGNMENT, KnownSegments, Segment, create
from sdk.context import SavePlace
from sdk.markers import Hidden
from sdk.nodes import Blocker, Determinism, Input, NodeResult, Output
from sdk.web import WebContent, WebDirectory

INLINE_BYTES = 1 << 16
"""Tensors of a message that are smaller than this together travel with it."""
RECORDS = (Blocker, Input, Output, NodeResult, SavePlace, Hidden, Determinism, WebDirectory, WebContent)
_PLAIN = (type(None), bool, int, float, str, bytes, list, tuple, dict, set, frozenset, *RECORDS)
_BUILT = (complex, bytearray, collections.OrderedDict)
_CLASSES = {(kind.__module__, kind.__qualname__): kind for kind in (*RECORDS, *_BUILT, set, frozenset)}
_KEPT_AS_IS = frozenset((*_PLAIN, *_BUILT))

Stand = Callable[[Any], tuple[Any, ...]]
"""Gives what stands for an object that does not travel; may raise."""


class Found(Protocol):
    """Gives the object for which something stands."""

    def __call__(self, *named: Any) -> Any: ...


class Message:
    """A value ready to be sent: its structure, its small tensors, and the segments of its large ones."""

    def __init__(self, content: bytes, inline: bytes, segments: Sequence[Segment]) -> None:
        self.content, self.inline, self.segments = content, inline, tuple(segments)


class _Writer(pickle.Pickler):
    """Puts tensors aside; the last of ``_places`` is where the next of them goes in one new segment."""

    def __init__(self, file: io.BytesIO, stand: Stand, known: KnownSegments | None) -> None:
        super().__init__(file, protocol=5)
        self._stand, self._known = stand, known
        self.fresh: list[tuple[int, Any]] = []
        self.size = 0
        self.segments: list[Segment] = []

    def persistent_id(self, obj: Any) -> Any:
        kind = type(obj)
        if kind in _KEPT_AS_IS or ((kind is type or isinstance(obj, type)) and obj in _CLASSES.values()):
            return None
        if _is_a(obj, "torch", "Tensor"):
            return self._tensor(obj)
        if _is_a(obj, "numpy", "ndarray") and obj.dtype.kind in "biufc" and obj.dtype.isnative:
            return "array", self._numbers(obj)
        return _converted(obj) or self._stand(obj)

    def _numbers(self, array: Any) -> Any:
        import numpy
        import torch

        flat = numpy.ascontiguousarray(array).reshape(-1)
        flat = flat if flat.flags.writeable else flat.copy()
        return self._put(torch.from_numpy(flat.view(numpy.uint8))), array.dtype.str, array.shape

    def _tensor(self, tensor: Any) -> Any:
        import torch

        if tensor.layout != torch.strided or tensor.is_quantized:
            return self._stand(tensor)
        tensor = tensor.detach()
        device = str(tensor.device)
        tensor = tensor.cpu().resolve_conj().resolve_neg()
        dtype = str(tensor.dtype).removeprefix("torch.")
        segment = self._known.holding(tensor) if self._known else None
        if segment is None:
            flat = tensor.contiguous().reshape(-1).view(torch.uint8)
            return "tensor", self._put(flat), dtype, tuple(tensor.shape), None, device
        if segment not in self.segments:
            self.segments.append(segment)
        place = ("segment", self.segments.index(segment), tensor.storage_offset() * tensor.element_size(), 0)
        return "tensor", place, dtype, tuple(tensor.shape), tensor.stride(), device

    def _put(self, raw: Any) -> tuple[str, int, int, int]:
        start = self.size
        self.fresh.append((start, raw))
        self.size += -(-raw.numel() // ALIGNMENT) * ALIGNMENT
        return "fresh", 0, start, raw.numel()


class _Reader(pickle.Unpickler):
    def __init__(self, file: io.BytesIO, found: Found, memories: Sequence[Any], fresh: Any) -> None:
        super().__init__(file)
        self._found, self._memories, self._fresh = found, memories, fresh

    def find_class(self, module: str, name: str) -> Any:
        try:
            return _CLASSES[module, name]
        except KeyError:
            raise pickle.UnpicklingError(f"{module}.{name} is none of the types that travel") from None

    def persistent_load(self, pid: Any) -> Any:
        kind, *facts = pid
        match kind:
            case "tensor":
                return self._tensor(*facts)
            case "array":
                return self._array(*facts[0])
            case "plain":
                return facts[0]
            case "path":
                return Path(facts[0])
            case "torch":
                return _torch_constant(*facts)
            case "picture":
                return _picture(*facts)
        return self._found(*pid)

    def _tensor(self, place: Any, dtype: str, shape: Any, stride: Any, device: str) -> Any:
        import torch

        kind, number, start, size = place
        wanted = getattr(torch, dtype)
        if kind == "fresh":
            tensor = self._fresh[start : start + size].view(wanted).reshape(shape)
        else:
            memory = self._memories[number]
            whole = memory[: memory.numel() // wanted.itemsize * wanted.itemsize].view(wanted)
            tensor = whole.as_strided(shape, stride, start // wanted.itemsize)
        return tensor if device == "cpu" or not _is_there(device) else tensor.to(device)

    def _array(self, place: Any, dtype: str, shape: Any) -> Any:
        import numpy

        _, _, start, size = place
        return self._fresh[start : start + size].numpy().view(numpy.dtype(dtype)).reshape(shape)


def write(value: Any, stand: Stand, known: KnownSegments | None = None) -> Message:
    """The value as a message; tensors are copied once, unless they lie in a known segment already.

    Args:
        stand: asked for every object that does not travel.
    """
    file = io.BytesIO()
    writer = _Writer(file, stand, known)
    writer.dump(value)
    if writer.size <= INLINE_BYTES:
        inline = bytearray(writer.size)
        for start, raw in writer.fresh:
            inline[start : start + raw.numel()] = raw.numpy().tobytes()
        return Message(file.getvalue(), bytes(inline), writer.segments)
    segment = create(writer.size)
    memory = known.add(segment) if known else KnownSegments().add(segment)
    for start, raw in writer.fresh:
        memory[start : start + raw.numel()].copy_(raw)
    return Message(file.getvalue(), b"", [*writer.segments, segment])


def read(message: Message, found: Found, known: KnownSegments | None = None) -> Any:
    """The value of a message; its tensors lie in the message's segments.

    Raises:
        pickle.UnpicklingError: it is none that ``write`` makes.
    """
    remembered = known or KnownSegments()
    memories = [remembered.add(segment) for segment in message.segments]
    return _Reader(io.BytesIO(message.content), found, memories, _fresh_memory(message, memories)).load()


def _fresh_memory(message: Message, memories: Sequence[Any]) -> Any:
    if not message.inline:
        return memories[-1] if memories else _NoBytes()
    import torch

    return torch.frombuffer(bytearray(message.inline), dtype=torch.uint8)


class _NoBytes:
    """Memory of a message that has none: all its tensors are empty."""

    def __getitem__(self, place: slice) -> Any:
        import torch

        return torch.empty(0, dtype=torch.uint8)


def _converted(value: Any) -> tuple[Any, ...] | None:
    """A value of a kind that is near to a plain one, as it travels."""
    if isinstance(value, PurePath):
        return "path", str(value)
    if isinstance(value, Enum):
        return None
    if isinstance(value, str):
        return "plain", str.__str__(value)
    if type(value).__module__ == "numpy" and hasattr(value, "item") and getattr(value, "shape", None) == ():
        return "plain", value.item()
    if type(value).__module__ == "torch" and type(value).__name__ in ("dtype", "device", "Size"):
        return (
            ("plain", tuple(value)) if type(value).__name__ == "Size" else ("torch", type(value).__name__, str(value))
        )
    if type(value).__name__ == "mappingproxy":
        return "plain", dict(value)
    if _is_a(value, "PIL.Image", "Image"):
        return "picture", value.mode, value.size, value.tobytes()
    return None


def _is_a(value: Any, module: str, name: str) -> bool:
    """Whether a value is of a class, without importing the library that it is from."""
    library = sys.modules.get(module)
    return library is not None and isinstance(value, getattr(library, name))


def _torch_constant(kind: str, name: str) -> Any:
    import torch

    return torch.device(name) if kind == "device" else getattr(torch, name.removeprefix("torch."))


def _picture(mode: str, size: tuple[int, int], content: bytes) -> Any:
    from PIL import Image

    return Image.frombytes(mode, size, content)


def _is_there(device: str) -> bool:
    import torch

    kind = torch.device(device)
    return kind.type == "cuda" and torch.cuda.is_available() and (kind.index or 0) < torch.cuda.device_count()

"""Gives packs models, text encoders and VAEs as the objects they know, and takes handles back from them.

Along links flow handles, which hold no weights. A pack's code gets an object around each, which borrows the weights
when one of its methods needs them; where a node of the pack returns it, the handle goes on.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any
from weakref import ref

from host.comfyui.running import OutsideOfNodes, running
from sdk.context import NodeContext
from sdk.models import ModelHandle

_ENCODING = "host.builtin_nodes.families.clip_vision.adapter"
"""Has the class of what image encoders give; it imports torch."""


class UnknownAttribute(AttributeError):
    """An object of the reference host has something that ours has not.

    Attributes:
        kind: what the object is.
        wanted: what of it was wanted.
    """

    def __init__(self, kind: str, wanted: str) -> None:
        super().__init__(kind, wanted)
        self.kind, self.wanted = kind, wanted

    def __str__(self) -> str:
        return (
            f"{self.wanted!r} of ComfyUI's {self.kind} objects is not offered to packs here: the host keeps weights "
            "and changes to them itself"
        )


class Held:
    """An object for packs around a handle; ``KIND`` is what its socket is called.

    It remembers the call it was made in, for threads that the node starts, and doesn't keep it alive.
    """

    KIND = ""

    def __init__(self, handle: ModelHandle) -> None:
        call = running()
        self._handle, self._made_in = handle, _nobody if call is None else ref(call)

    def __getattr__(self, name: str) -> Any:
        raise UnknownAttribute(self.KIND, name)

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and isinstance(other, Held) and _same(self.handle, other.handle)

    def __hash__(self) -> int:
        return hash((self.KIND, self.handle.key, self.handle.patch_key))

    @property
    def handle(self) -> ModelHandle:
        """What flows along links in this object's place."""
        return self._handle

    @property
    def context(self) -> NodeContext:
        """The context of the node that runs, or else of the one that this object was given to, while that runs."""
        call = running() or self._made_in()
        if call is None:
            raise OutsideOfNodes(f"a {self.KIND}")
        return call.context


def _nobody() -> None:
    """Stands for a call where there was none."""


def _same(one: ModelHandle, other: ModelHandle) -> bool:
    """Whether two handles have the same patches and the very same options."""
    if (one, one.patch_key) != (other, other.patch_key) or one.options.keys() != other.options.keys():
        return False
    return all(value is other.options[name] for name, value in one.options.items())


def to_packs(values: Mapping[str, Any]) -> dict[str, Any]:
    """A node's inputs as its pack knows them; lists of models are lists of such objects."""
    return {name: to_pack(value) for name, value in values.items()}


def to_pack(value: Any) -> Any:
    """A value of the host as packs know it."""
    if isinstance(value, ModelHandle):
        from host.comfyui.surface.held_models import KINDS

        kind = KINDS.get(value.part)
        return value if kind is None else kind(value)
    if type(value) is list and any(isinstance(item, ModelHandle) for item in value):
        return [to_pack(item) for item in value]
    encoding = sys.modules.get(_ENCODING)  # there is no such value as long as nobody has imported it
    if encoding is not None and isinstance(value, encoding.VisionOutput):
        from host.comfyui.surface.clip_vision import Output

        return Output(**vars(value))
    return value


def from_pack(value: Any) -> Any:
    """What a pack gives as the host knows it: handles in place of the objects around them, also in lists."""
    if isinstance(value, Held):
        return value.handle
    if type(value) is list and any(isinstance(item, Held) for item in value):
        return [from_pack(item) for item in value]
    return value

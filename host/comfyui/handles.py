"""Gives packs models, text encoders and VAEs as the objects they know, and takes handles back from them.

Along links flow handles, which hold no weights. A pack's code gets an object around each, which borrows the weights
when one of its methods needs them; where a node of the pack returns it, the handle goes on.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from host.comfyui.running import OutsideOfNodes, running
from sdk.context import NodeContext
from sdk.models import ModelHandle


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
    """An object for packs around a handle; ``KIND`` is what its socket is called."""

    KIND = ""

    def __init__(self, handle: ModelHandle, context: NodeContext | None = None) -> None:
        self.handle, self._context = handle, context

    def __getattr__(self, name: str) -> Any:
        raise UnknownAttribute(self.KIND, name)

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and isinstance(other, Held) and _same(self.handle, other.handle)

    def __hash__(self) -> int:
        return hash((self.KIND, self.handle.key, self.handle.patch_key))

    def with_handle(self, handle: ModelHandle) -> Any:
        """The same object around another handle."""
        return type(self)(handle, self._context)

    @property
    def context(self) -> NodeContext:
        """The context of the node that runs, or else of the one that this object was given to."""
        call = running()
        context = self._context if call is None else call.context
        if context is None:
            raise OutsideOfNodes(f"a {self.KIND}")
        return context


def _same(one: ModelHandle, other: ModelHandle) -> bool:
    """Whether two handles have the same patches and the very same options."""
    if (one, one.patch_key) != (other, other.patch_key) or one.options.keys() != other.options.keys():
        return False
    return all(value is other.options[name] for name, value in one.options.items())


def to_packs(values: Mapping[str, Any], context: NodeContext) -> dict[str, Any]:
    """A node's inputs as its pack knows them; lists of models are lists of such objects."""
    return {name: _to_pack(value, context) for name, value in values.items()}


def _to_pack(value: Any, context: NodeContext) -> Any:
    if isinstance(value, ModelHandle):
        from host.comfyui.surface.held_models import KINDS

        kind = KINDS.get(value.part)
        return value if kind is None else kind(value, context)
    if type(value) is list and any(isinstance(item, ModelHandle) for item in value):
        return [_to_pack(item, context) for item in value]
    return value


def from_pack(value: Any) -> Any:
    """What a pack gives as the host knows it: handles in place of the objects around them, also in lists."""
    if isinstance(value, Held):
        return value.handle
    if type(value) is list and any(isinstance(item, Held) for item in value):
        return [from_pack(item) for item in value]
    return value

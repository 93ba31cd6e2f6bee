"""Schema-style nodes: the schema, the base class of nodes, and the extension that lists them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ClassVar

from host.comfyui.surface.v3_sockets import Input, Output
from sdk.markers import Hidden as HiddenKind


class Hidden(StrEnum):
    """Values that the host fills in; a node finds them as ``cls.hidden.<name>``."""

    unique_id = HiddenKind.UNIQUE_ID.value
    prompt = HiddenKind.PROMPT.value
    extra_pnginfo = HiddenKind.EXTRA_PNGINFO.value
    dynprompt = HiddenKind.DYNPROMPT.value
    auth_token_comfy_org = HiddenKind.AUTH_TOKEN.value
    api_key_comfy_org = HiddenKind.API_KEY.value


@dataclass(frozen=True)
class HiddenHolder:
    """The hidden values of one call; None for those the schema does not ask for."""

    unique_id: Any = None
    prompt: Any = None
    extra_pnginfo: Any = None
    dynprompt: Any = None
    auth_token_comfy_org: Any = None
    api_key_comfy_org: Any = None


@dataclass
class Schema:
    """What a node is called, takes and gives.

    Attributes:
        node_id: the class type prompts use.
        is_input_list: the node gets whole lists instead of being called once per item.
        not_idempotent: equal inputs at two places of a graph give two results.
        enable_expand: the node may give a sub-graph to take its place.
    """

    node_id: str
    display_name: str | None = None
    category: str = "sd"
    inputs: Sequence[Input] | None = None
    outputs: Sequence[Output] | None = None
    hidden: Sequence[Hidden] | None = None
    description: str = ""
    is_input_list: bool = False
    is_output_node: bool = False
    is_deprecated: bool = False
    is_experimental: bool = False
    is_api_node: bool = False
    not_idempotent: bool = False
    enable_expand: bool = False

    def all_hidden(self) -> tuple[Hidden, ...]:
        """The hidden values asked for, with those that output nodes and nodes of paid services always get."""
        wanted = list(self.hidden or ())
        if self.is_output_node:
            wanted += [Hidden.prompt, Hidden.extra_pnginfo]
        if self.is_api_node:
            wanted += [Hidden.auth_token_comfy_org, Hidden.api_key_comfy_org]
        return tuple(dict.fromkeys(wanted))


class ComfyNode:
    """Base class of schema-style nodes: ``define_schema`` and ``execute`` as class methods.

    ``validate_inputs``, ``fingerprint_inputs`` and ``check_lazy_status`` may be defined too. During a call ``cls`` is a
    subclass made for that call, so what it keeps in class attributes is gone afterwards.
    """

    hidden: ClassVar[HiddenHolder] = HiddenHolder()

    @classmethod
    def define_schema(cls) -> Schema:
        raise NotImplementedError(f"{cls.__name__} must define define_schema()")

    @classmethod
    def execute(cls, **kwargs: Any) -> Any:
        raise NotImplementedError(f"{cls.__name__} must define execute()")

    @classmethod
    def GET_SCHEMA(cls) -> Schema:  # noqa: N802  (packs call it by this name)
        """The schema as it is now."""
        return cls.define_schema()

    @classmethod
    def with_hidden(cls, hidden: HiddenHolder) -> type[ComfyNode]:
        """This class for the length of one call, with its hidden values."""
        return type(cls.__name__, (cls,), {"hidden": hidden, "__module__": cls.__module__})


class ComfyExtension:
    """What ``comfy_entrypoint()`` gives: a pack's list of nodes."""

    async def on_load(self) -> None:
        """Called once, before the nodes are asked for."""

    async def get_node_list(self) -> list[type[ComfyNode]]:
        """The pack's node classes."""
        raise NotImplementedError(f"{type(self).__name__} must define get_node_list()")

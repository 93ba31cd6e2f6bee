"""Where a pack goes: a registry, and the protocol spoken with it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import typer

from sdk.authoring.comfy_registry import COMFY_REGISTRY
from sdk.authoring.registries import registry_address


class Protocol(StrEnum):
    """Our own API, or the Comfy Registry's."""

    OURS = "ours"
    COMFY = "comfy"


@dataclass(frozen=True)
class Destination:
    """A registry's address and how it is spoken to."""

    registry: str
    protocol: Protocol


def find_destination(to: str, registry: str | None) -> Destination:
    """The registry that is meant; with ``comfy`` and no address, the Comfy Registry itself.

    Raises:
        BadParameter: ``to`` is no protocol.
        NoRegistry: no registry is named anywhere.
    """
    if to not in list(Protocol):
        raise typer.BadParameter(f"{to!r} is none of {', '.join(Protocol)}", param_hint="--to")
    protocol = Protocol(to)
    if protocol is Protocol.COMFY and not registry:
        return Destination(COMFY_REGISTRY, protocol)
    return Destination(registry_address(registry), protocol)

"""Extension points of the model manager. Arguments may be added, never renamed or removed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pluggy

from sdk.hooks import PROJECT
from sdk.models import Header, Identity, ModelFamily, ModelHandle, PatchFormat
from sdk.sampling import Sampler, Scheduler

hookspec = pluggy.HookspecMarker(PROJECT)


@hookspec
def register_model_families() -> Iterable[ModelFamily]:
    """Return the model families this pack knows. Called once, when the pack is loaded.

    Two families of one name are an error that names both packs.
    """
    raise AssertionError("a specification is never called")


@hookspec(firstresult=True)
def identify_model(header: Header) -> Identity | str | None:
    """Say what a file is from its header alone, before any family is asked; None to leave it to the families.

    The name of a family alone has this family say what it makes of the file, and no other. For files that a rule about
    the name or the metadata settles better than shapes do.
    """


@hookspec
def register_samplers() -> Iterable[Sampler]:
    """Return sampling algorithms; they appear in every sampler list in the order of registration."""
    raise AssertionError("a specification is never called")


@hookspec
def register_schedulers() -> Iterable[Scheduler]:
    """Return noise schedules; they appear in every scheduler list in the order of registration."""
    raise AssertionError("a specification is never called")


@hookspec
def register_patch_formats() -> Iterable[PatchFormat]:
    """Return ways of storing weight changes. All formats are asked; each takes the keys it knows."""
    raise AssertionError("a specification is never called")


@hookspec(firstresult=True)
def choose_device(part: str, identity: Identity) -> str | None:
    """Return the device for a part (``cpu``, ``cuda:1``), or None for the host's choice."""


@hookspec(firstresult=True)
def choose_attention(part: str, identity: Identity) -> Any:
    """Return the attention function for a part's module, or None for torch's own."""


@hookspec
def before_model_load(handle: ModelHandle, bytes_needed: int, job_id: str | None, node_id: str | None) -> None:
    """Observe that a part's weights are about to be read or moved to its device.

    ``job_id`` and ``node_id`` say for which node of which job; None where no node asked for it.
    """


@hookspec
def after_model_evicted(handle: ModelHandle, bytes_freed: int) -> None:
    """Observe that a part's weights left its device, to make room or because the user asked for it."""

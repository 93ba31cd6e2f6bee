"""Extension points of the host itself. Arguments may be added, never renamed or removed."""

from __future__ import annotations

from collections.abc import Iterable

import pluggy

from sdk.hooks import PROJECT
from sdk.models import ModelFolder

hookspec = pluggy.HookspecMarker(PROJECT)


@hookspec
def register_folders() -> Iterable[ModelFolder]:
    """Return kinds of model files this pack reads, with their folders. Called once, when the pack is loaded.

    Files of a kind are offered by ``Choice(source="folder:<kind>")`` and found by ``context.folders.find(kind, name)``.
    Several packs may name the same kind; their folders are searched in the order of loading.
    """
    raise AssertionError("a specification is never called")

"""What the engine hands on to nodes without knowing what it is."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from sdk.errors import NodeError

if TYPE_CHECKING:
    from sdk.context import Folders
    from sdk.models import ModelAccess
    from sdk.sampling import Sampler, Scheduler


class NodeServices(Protocol):
    """The part of ``sdk.NodeContext`` that is the same for every node of a host."""

    @property
    def models(self) -> ModelAccess: ...
    @property
    def folders(self) -> Folders: ...
    @property
    def samplers(self) -> Mapping[str, Sampler]: ...
    @property
    def schedulers(self) -> Mapping[str, Scheduler]: ...
    @property
    def pack_settings(self) -> Mapping[str, Mapping[str, Any]]: ...


class _Absent:
    """Raises a NodeError that names what is missing as soon as anything of it is used."""

    def __init__(self, what: str) -> None:
        self._what = what

    def __getattr__(self, name: str) -> Any:
        raise NodeError(f"this host has no {self._what}; run the node in one that has.")


class NoServices:
    """A host that can only compute: no models, no files, no samplers."""

    models: Any = _Absent("models")
    folders: Any = _Absent("folders")
    samplers: Mapping[str, Sampler] = {}
    schedulers: Mapping[str, Scheduler] = {}
    pack_settings: Mapping[str, Mapping[str, Any]] = {}


def file_stamp(folders: Folders, source: str | None, name: str) -> tuple[int, int] | None:
    """Size in bytes and time of change in ns of the file an input names; None where there is no such file.

    ``source`` is where the input's choices come from: ``folder:<kind>`` or the input folder otherwise.
    """
    try:
        path: Path = (
            folders.find(source.removeprefix("folder:"), name)
            if source is not None and source.startswith("folder:")
            else folders.input_file(name)
        )
        facts = path.stat()
    except (NodeError, OSError, ValueError):  # ValueError: a name with a NUL in it
        return None
    return facts.st_size, facts.st_mtime_ns

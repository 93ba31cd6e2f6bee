"""What a running node may use, as protocols: it gets everything as arguments or from its context."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from sdk.models import ModelAccess
    from sdk.sampling import Sampler, Scheduler


class CancelToken(Protocol):
    """Whether the job this node belongs to is still wanted."""

    @property
    def cancelled(self) -> bool: ...

    def raise_if_cancelled(self) -> None:
        """Raise ``Cancelled`` once the job is cancelled."""


@dataclass(frozen=True)
class SavePlace:
    """Where the next numbered file of a prefix goes.

    Attributes:
        folder: existing absolute folder.
        stem: file name without number and suffix.
        counter: first number not yet taken in the folder.
        subfolder: ``folder`` relative to its root, as clients show it.
        root: "output", "temp" or "input".
    """

    folder: Path
    stem: str
    counter: int
    subfolder: str
    root: str


class Folders(Protocol):
    """The files a node may read and the places it may write."""

    def names(self, kind: str) -> Sequence[str]:
        """File names of a model kind (``checkpoints``, ``loras``, ``vae`` …), relative, sorted."""

    def find(self, kind: str, name: str) -> Path:
        """The file of that name; raises NodeError that lists what there is."""

    def input_file(self, name: str) -> Path:
        """A file of the input folder; ``name [output]`` and ``name [temp]`` look there instead.

        Raises NodeError for a missing file or one outside these folders.
        """

    def place(self, prefix: str, *, root: str = "output", size: tuple[int, int] | None = None) -> SavePlace:
        """Where files of this prefix go; ``%width%``, ``%height%``, ``%year%`` … in it are filled in."""


class NodeContext(Protocol):
    """One call of one node: where it stands and what it may use."""

    @property
    def node_id(self) -> str: ...
    @property
    def prompt_id(self) -> str: ...
    @property
    def cancel(self) -> CancelToken: ...
    @property
    def models(self) -> ModelAccess: ...
    @property
    def folders(self) -> Folders: ...
    @property
    def samplers(self) -> Mapping[str, Sampler]: ...
    @property
    def schedulers(self) -> Mapping[str, Scheduler]: ...
    @property
    def settings(self) -> Mapping[str, Any]:
        """What the user's settings file says in ``[packs.<name of the node's pack>]``; empty if it says nothing."""

    @property
    def logger(self) -> logging.Logger: ...

    def progress(self, value: float, total: float, *, preview: Any = None) -> None:
        """Report ``value`` of ``total`` steps, with an image to show; raises Cancelled once cancelled."""

    def text(self, message: str) -> None:
        """Show a line of text at the node."""

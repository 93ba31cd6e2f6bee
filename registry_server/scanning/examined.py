"""What the registry wants to know of an archive before it takes it in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from sdk.inspection import NodeFacts, Unread
from sdk.manifest import PackManifest
from sdk.similarity import Signature


@dataclass(frozen=True, kw_only=True)
class ScanFinding:
    """One finding of the open rules, see ``docs/checks.md``.

    Attributes:
        id: the rule's, such as ``CN101``.
        severity: ``high``, ``medium``, ``low`` or ``info``.
        suppressed: the author's reason to let it be; ``severity`` is ``info`` then.
        refused: publishing it is an error, whatever its severity.
    """

    id: str
    severity: str
    message: str
    file: str = ""
    line: int = 0
    fix: str = ""
    suppressed: str = ""
    refused: bool = False

    def as_json(self) -> dict[str, Any]:
        """The finding as the API gives it."""
        return {
            "id": self.id,
            "severity": self.severity,
            "message": self.message,
            "file": self.file,
            "line": self.line,
            "fix": self.fix,
        } | ({"suppressed": self.suppressed} if self.suppressed else {})


@dataclass(frozen=True, kw_only=True)
class Examined:
    """An archive, read without running any of its code.

    Attributes:
        licence: as the Comfy Registry keeps it: ``text`` is a name, or the SPDX identifier of the text in ``file``.
        dependencies: Python requirements; of ``requirements.txt`` where the manifest names none.
        signatures: of the nodes' code, by its hash.
        readme: text of the README, "" where there is none; cut at a sensible length.
        install_script: there is an ``install.py``.
    """

    manifest: PackManifest
    sha256: str
    size: int
    licence: Mapping[str, str] = field(default_factory=dict)
    dependencies: tuple[str, ...] = ()
    nodes: tuple[NodeFacts, ...] = ()
    signatures: Mapping[str, Signature] = field(default_factory=dict)
    unread: tuple[Unread, ...] = ()
    findings: tuple[ScanFinding, ...] = ()
    readme: str = ""
    install_script: bool = False


class Examiner(Protocol):
    """Reads archives."""

    def examine(self, archive: Path) -> Examined:
        """All there is to know.

        Raises:
            BadArchive: it, or the manifest in it, can't be used; ``details`` says why.
        """
        ...

    def warm_up(self) -> None:
        """Load what the first ``examine`` would have to load, which takes its time.

        Raises:
            Unavailable: archives can't be examined now.
        """
        ...

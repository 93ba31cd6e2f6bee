"""Folders below one root, with the host's rules for names."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PurePosixPath

from sdk.context import SavePlace
from sdk.errors import NodeError

NOON = datetime(2024, 2, 29, 12, 0, 0)
"""The time that date tokens show, so that tests see the same names each day."""

_ANNOTATED = re.compile(r"(?P<name>.*) \[(?P<root>input|output|temp)\]", re.DOTALL)


@dataclass(frozen=True)
class FakeFolders:
    """Implements ``Folders`` below one root: ``models/<kind>``, ``input``, ``output``, ``temp``; made when needed."""

    root: Path
    now: datetime = NOON

    def names(self, kind: str) -> Sequence[str]:
        folder = self.root / "models" / kind
        return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())

    def find(self, kind: str, name: str) -> Path:
        path = self._inside(f"models/{kind}", name)
        if not path.is_file():
            raise NodeError(f"there is no {kind} file {name!r}; there are: {', '.join(self.names(kind)) or 'none'}")
        return path

    def input_file(self, name: str) -> Path:
        annotated = _ANNOTATED.fullmatch(name)
        root, name = (annotated["root"], annotated["name"]) if annotated else ("input", name)
        path = self._inside(root, name)
        if not path.is_file():
            raise NodeError(f"there is no {root} file {name!r}")
        return path

    def place(self, prefix: str, *, root: str = "output", size: tuple[int, int] | None = None) -> SavePlace:
        target = self._inside(root, self._filled_in(prefix, size or (0, 0)))
        folder, stem = target.parent, target.name
        folder.mkdir(parents=True, exist_ok=True)
        numbered = re.compile(rf"{re.escape(stem)}_(\d+)_")
        taken = [int(found[1]) for path in folder.iterdir() if (found := numbered.match(path.name))]
        subfolder = folder.relative_to(self.root / root).as_posix()
        return SavePlace(folder, stem, max(taken, default=0) + 1, "" if subfolder == "." else subfolder, root)

    def _inside(self, area: str, name: str) -> Path:
        relative = PurePosixPath(name.replace("\\", "/"))
        if not name or relative.is_absolute() or ".." in relative.parts:
            raise NodeError(f"the name {name!r} leads out of the folder {area!r}")
        return self.root / area / relative

    def _filled_in(self, prefix: str, size: tuple[int, int]) -> str:
        tokens = {"width": str(size[0]), "height": str(size[1]), "year": str(self.now.year)}
        tokens |= {name: f"{getattr(self.now, name):02d}" for name in ("month", "day", "hour", "minute", "second")}
        return re.sub(rf"%({'|'.join(tokens)})%", lambda found: tokens[found[1]], prefix)

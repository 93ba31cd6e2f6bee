"""Opened model files: what each is and which parts it has. Reads headers only, each once."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from host.models.errors import ChangedFile, DuplicateFamily, UnknownModel
from host.models.files.header import read_header
from host.models.files.known_layouts import KnownLayouts
from host.models.identify import identify
from host.models.identity_cache import IdentityCache, Unknown
from host.models.library import Library
from sdk.models import Header, Identity, ModelFamily, Part

if TYPE_CHECKING:
    from host.models.files.weights import WeightFile


@dataclass(frozen=True, eq=False)
class OpenedFile:
    """A model file somebody asked for, or several opened together, with its parts by name.

    ``content`` identifies it as it was then, under all of its names; ``contents`` each of the files under its own.
    """

    path: Path
    content: str
    contents: Mapping[Path, str]
    file: WeightFile
    identity: Identity
    parts: Mapping[str, Part]

    def keys_of_others(self, part: str) -> frozenset[str]:
        """The file's keys that parts other than this one use."""
        others = (other for name, other in self.parts.items() if name != part)
        return frozenset(source.key for other in others for source in other.weights.values())


class ModelFiles:
    """Opens model files; equal content is opened once.

    Attributes:
        replaced: what is forgotten because its file is gone, or has been opened anew with other content.
    """

    def __init__(
        self,
        library: Library,
        families: Sequence[ModelFamily],
        hook: Any = None,
        identities: IdentityCache | None = None,
    ) -> None:
        """``identities`` remembers what files are; by default for the life of this object."""
        self._library, self._hook = library, hook
        self._families: dict[str, ModelFamily] = {}
        for family in families:
            if self._families.setdefault(family.name, family) is not family:
                raise DuplicateFamily(family.name)
        self._opened: dict[str, OpenedFile] = {}
        self._keys_at: defaultdict[Path, set[str]] = defaultdict(set)
        self.replaced: deque[OpenedFile] = deque()
        self._layouts = KnownLayouts()
        # A hook may answer by other things than the content, and differently the next time.
        shared = identities is not None and (hook is None or not hook.identify_model.get_hookimpls())
        self._identities = identities if identities is not None and shared else IdentityCache()

    def identify(self, path: Path) -> Identity:
        """What a file is, from its header; raises an IdentificationError that says who was asked."""
        content = self._library.content_key(path)
        found = self._identities.get(content)
        if isinstance(found, Unknown):
            raise UnknownModel(path, found.refusals, found.holding)
        return found if found is not None else self._identify(content, self.header(path))

    def header(self, path: Path) -> Header:
        """What a file says of itself; quickly read where another one says the same of its tensors."""
        return read_header(path, self._layouts)

    def open(self, path: Path, rounded_to: str | None = None) -> OpenedFile:
        """A file with its identity and its parts, its weights rounded to a dtype if one is named."""
        content = self._library.content_key(path)
        rounding = f":{rounded_to}" if rounded_to else ""
        found = self._opened.get(content + rounding)
        if found is None:
            from host.models.files.recast import RoundedFile
            from host.models.files.weights import open_weights

            shared = self._library.shared_key(path)
            file = open_weights(path)
            file = RoundedFile(file, rounded_to) if rounded_to else file
            found = self._opened_as(content + rounding, shared + rounding, {path: content}, file)
        return found

    def open_together(self, files: Mapping[str, Path], facts: Mapping[str, Any]) -> OpenedFile:
        """Several files as one, each one's tensors after its name and a dot; ``facts`` stand in the metadata."""
        contents = {path: self._library.content_key(path) for path in files.values()}
        key = _digest([[[name, contents[path]] for name, path in files.items()], facts])
        found = self._opened.get(key)
        if found is None:
            from host.models.files.together import open_together

            shared = _digest([[[name, self._library.shared_key(path)] for name, path in files.items()], facts])
            found = self._opened_as(key, shared, contents, open_together(files, facts))
        return found

    def check_unchanged(self, opened: OpenedFile) -> None:
        """Raise ChangedFile unless the file is still the one that was opened."""
        for path, content in opened.contents.items():
            if self._library.content_key(path) != content:
                raise ChangedFile(path, "has been replaced or written to since it was opened")

    def forget_missing(self) -> None:
        """Forget what was opened from files that are not there any more."""
        for key, opened in list(self._opened.items()):
            if not all(path.exists() for path in opened.contents):
                self._forget(key)

    def still_open(self, content: str) -> OpenedFile | None:
        """What is open of that content by now: a file that came back, or has another name."""
        return next((opened for opened in list(self._opened.values()) if opened.content == content), None)

    def _forget(self, key: str) -> None:
        opened = self._opened.pop(key, None)
        if opened is not None:
            for path in opened.contents:
                self._keys_at[path].discard(key)
            self.replaced.append(opened)

    def _forget_earlier(self, contents: Mapping[Path, str]) -> None:
        for path, content in contents.items():
            for key in list(self._keys_at[path]):
                earlier = self._opened.get(key)
                if earlier is not None and earlier.contents[path] != content:
                    self._forget(key)

    def _opened_as(self, key: str, content: str, contents: Mapping[Path, str], file: WeightFile) -> OpenedFile:
        found = self._identities.get(key)
        identity = found if isinstance(found, Identity) else self._identify(key, file.header)
        parts = {part.name: part for part in self._families[identity.family].parts(file.header, identity)}
        opened = OpenedFile(file.header.path, content, contents, file, identity, parts)
        self._forget_earlier(contents)
        for path in contents:
            self._keys_at[path].add(key)
        return self._opened.setdefault(key, opened)

    def _identify(self, content: str, header: Header) -> Identity:
        try:
            identity = identify(header, tuple(self._families.values()), self._hook)
        except UnknownModel as error:
            self._identities.put(content, Unknown(error.refusals, error.holding))
            raise
        self._identities.put(content, identity)
        return identity


def _digest(facts: Any) -> str:
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:32]

"""What can be wrong with a model file, or go wrong while its weights are used.

ModelError
├── ModelFileError            a file can't be used
│   ├── MalformedFile         its bytes are not what its format demands
│   ├── UnsafeFile            a pickle that would run code
│   └── ChangedFile           it is not the file any more that was opened
├── ModelNotFound             no file of that name (also a NodeError: the user picked the name)
├── IdentificationError       nobody, or more than one, knows what a file is
│   ├── UnknownModel
│   ├── AmbiguousModel
│   └── UnknownFamily         the identify_model hook names a family nobody registered
├── DuplicateFamily           two families of one name
├── WeightsMismatch           a file's tensors don't fit the module its family made
├── PatchMismatch             a delta doesn't fit the weight it is meant for
├── ReadOnlyWeight            somebody writes to a borrowed weight
├── DeviceUnavailable         the device or dtype asked for can't be had
├── OutOfBudget               the device can't hold what is needed
├── CompilingFailed           a module can't be compiled as a node asks for it (also a NodeError)
├── KernelsUnavailable        the CPU's kernels can't be had; everything works without them
├── DeviceFull                computing ran out of the device's memory, also after making room
├── UnknownHandle             a handle this manager didn't make, or whose module is gone
└── NoFileBehind              what is to be saved in its file's layout comes from no file (also a NodeError)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

from sdk.errors import NodeError, SdkError

if TYPE_CHECKING:
    from sdk.models import Identity

LISTED = 8


def some(names: Sequence[str]) -> str:
    """The first few of many names, with a count of the rest."""
    shown = ", ".join(names[:LISTED])
    return shown if len(names) <= LISTED else f"{shown} and {len(names) - LISTED} more"


def in_bytes(size: int) -> str:
    """A byte count as people read it."""
    return f"{size / 2**30:.2f} GiB" if size >= 2**30 else f"{size / 2**20:.1f} MiB"


class ModelError(SdkError):
    """Root of everything the model manager raises."""


class ModelFileError(ModelError):
    """A model file can't be used; ``problem`` says why."""

    remedy = "Check that it is complete and of the format its suffix names."

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(path, problem)
        self.path, self.problem = path, problem

    def __str__(self) -> str:
        return f"{self.path}: {self.problem}. {self.remedy}"


class MalformedFile(ModelFileError):
    """A file's bytes are not what its format demands."""

    remedy = "The file is damaged or incomplete; download it again."


class UnsafeFile(ModelFileError):
    """A pickle can't be read without running code it brings along."""

    remedy = "Only tensors and plain values are read from pickles; convert the file to safetensors where you trust it."


class ChangedFile(ModelFileError):
    """A file is not the one any more that was opened."""

    remedy = "Run the node that opens it again."


class ModelNotFound(ModelError, NodeError):
    """There is no model file of that kind and name; ``available`` are the names there are."""

    def __init__(self, kind: str, name: str, available: Sequence[str]) -> None:
        super().__init__(kind, name, available)
        self.kind, self.name, self.available = kind, name, tuple(available)

    def __str__(self) -> str:
        if not self.available:
            return f"there is no file {self.name!r} in {self.kind!r}, nor any other. Put one into that folder."
        close = get_close_matches(self.name, self.available, n=3)
        there = f"Close to it: {', '.join(close)}" if close else f"There are: {some(self.available)}"
        return f"there is no file {self.name!r} in {self.kind!r}. {there}."


class IdentificationError(ModelError):
    """What a file is can't be said."""


class UnknownModel(IdentificationError):
    """No family knows the file; ``refusals`` holds what each said, by family name."""

    def __init__(self, path: Path, refusals: Mapping[str, str]) -> None:
        super().__init__(path, refusals)
        self.path, self.refusals = path, dict(refusals)

    def __str__(self) -> str:
        said = "; ".join(f"{name}: {reason}" for name, reason in self.refusals.items()) or "no family is installed"
        return f"no model family knows {self.path} ({said}). Install a pack whose family does."


class AmbiguousModel(IdentificationError):
    """Several families claim the file; ``claims`` holds what each takes it for."""

    def __init__(self, path: Path, claims: Sequence[Identity]) -> None:
        super().__init__(path, claims)
        self.path, self.claims = path, tuple(claims)

    def __str__(self) -> str:
        said = "; ".join(f"{claim.family} takes it for a {claim.kind}: {claim.because}" for claim in self.claims)
        return f"{len(self.claims)} model families claim {self.path} ({said}). Disable all but one of their packs."


class UnknownFamily(IdentificationError):
    """``identify_model`` named a family that nobody registered."""

    def __init__(self, path: Path, family: str, registered: Sequence[str]) -> None:
        super().__init__(path, family, registered)
        self.path, self.family, self.registered = path, family, tuple(registered)

    def __str__(self) -> str:
        return f"{self.path} is said to be of the family {self.family!r}; registered are: {some(self.registered)}."


class DuplicateFamily(ModelError):
    """Two model families have one name."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name

    def __str__(self) -> str:
        return f"two model families are called {self.name!r}. Disable the pack that brings one of them."


class WeightsMismatch(ModelError):
    """A file's tensors don't fit a part's module; all faults of the part together.

    Attributes:
        missing: names of module weights whose tensor the file lacks.
        mismatched: module weights whose tensor has another shape, each with what was wanted and found.
        unmapped: module weights for which the family names no tensor.
        unknown: names the family gives that the module doesn't have.
        unexpected: tensors of the file under the part's prefix that nothing uses.
    """

    def __init__(
        self,
        path: Path,
        part: str,
        *,
        missing: Sequence[str] = (),
        mismatched: Sequence[str] = (),
        unmapped: Sequence[str] = (),
        unknown: Sequence[str] = (),
        unexpected: Sequence[str] = (),
    ) -> None:
        super().__init__(path, part)
        self.path, self.part = path, part
        self.missing, self.mismatched, self.unmapped = tuple(missing), tuple(mismatched), tuple(unmapped)
        self.unknown, self.unexpected = tuple(unknown), tuple(unexpected)

    def __str__(self) -> str:
        faults = {
            "missing from the file": self.missing,
            "of another shape": self.mismatched,
            "without a source": self.unmapped,
            "unknown to the module": self.unknown,
            "in the file but unused": self.unexpected,
        }
        listed = "; ".join(f"{len(names)} {what}: {some(names)}" for what, names in faults.items() if names)
        return f"the {self.part} in {self.path} can't be loaded ({listed}). The file is of another kind or incomplete."


class PatchMismatch(ModelError):
    """A delta doesn't fit the weight it is meant for."""

    def __init__(self, patch: str, weight: str, problem: str) -> None:
        super().__init__(patch, weight, problem)
        self.patch, self.weight, self.problem = patch, weight, problem

    def __str__(self) -> str:
        return f"patch {self.patch} can't change {self.weight!r}: {self.problem}. It was made for another model."


class ReadOnlyWeight(ModelError):
    """An operation would write to a weight of a borrowed module, which is made anew for each use."""

    def __init__(self, operation: str) -> None:
        super().__init__(operation)
        self.operation = operation

    def __str__(self) -> str:
        return (
            f"{self.operation} would write to a weight of a borrowed model. Change a clone() of it, or add a patch set "
            "to the handle."
        )


class DeviceUnavailable(ModelError):
    """A device or dtype that was asked for can't be had."""

    def __init__(self, wanted: str, problem: str) -> None:
        super().__init__(wanted, problem)
        self.wanted, self.problem = wanted, problem

    def __str__(self) -> str:
        return f"{self.wanted!r} can't be used: {self.problem}"


class OutOfBudget(ModelError):
    """A device can't hold what is needed, even with everything evicted that nobody is using.

    Attributes:
        part: what was to be placed.
        needed, free: bytes.
        holders: bytes in use by name.
    """

    def __init__(self, device: str, part: str, needed: int, free: int, holders: Mapping[str, int]) -> None:
        super().__init__(device, part, needed, free, holders)
        self.device, self.part, self.needed, self.free, self.holders = device, part, needed, free, dict(holders)

    def __str__(self) -> str:
        held = ", ".join(f"{name} {in_bytes(size)}" for name, size in self.holders.items()) or "nothing else"
        return (
            f"{self.part} needs {in_bytes(self.needed)} on {self.device}, where at most {in_bytes(self.free)} can be "
            f"had; in use: {held}. Raise --vram, choose a smaller --dtype or use --device cpu."
        )


class DeviceFull(ModelError):
    """A device ran out of memory while a module was in use, also after everyone else had left it.

    Attributes:
        part: the module in use.
        free: bytes that are left.
        holders: bytes held by name, the module in use among them.
    """

    def __init__(self, device: str, part: str, free: int, holders: Mapping[str, int]) -> None:
        super().__init__(device, part, free, holders)
        self.device, self.part, self.free, self.holders = device, part, free, dict(holders)

    def __str__(self) -> str:
        held = ", ".join(f"{name} {in_bytes(size)}" for name, size in self.holders.items()) or "no model"
        return (
            f"{self.device} ran out of memory while {self.part} was in use; models hold: {held}; {in_bytes(self.free)} "
            "are left. Make the picture or the batch smaller, lower --vram so that more is left to compute with, or "
            "use --device cpu."
        )


class UnknownHandle(ModelError):
    """A handle that this manager didn't make, or whose module its owner has dropped."""

    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key

    def __str__(self) -> str:
        return f"there is no model behind the handle {self.key!r}. Run the node that makes it again."


class NoFileBehind(ModelError, NodeError):
    """What is to be saved in its file's layout comes from no file; ``source`` says where it comes from."""

    def __init__(self, source: str) -> None:
        super().__init__(source)
        self.source = source

    def __str__(self) -> str:
        return f"A model {self.source} has no file in whose layout it could be saved. Save one loaded from a file."


class KernelsUnavailable(ModelError):
    """The CPU's kernels can't be compiled or used; ``reason`` says why. Everything works without them, slower."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return f"The kernels for the CPU's tile units can't be had: {self.reason}."


class CompilingFailed(ModelError, NodeError):
    """A module can't be compiled with ``backend``; ``fault`` says why."""

    def __init__(self, backend: str, fault: str) -> None:
        super().__init__(backend, fault)
        self.backend, self.fault = backend, fault

    def __str__(self) -> str:
        return f"The model can't be compiled with {self.backend}: {self.fault}. Leave the compiling node out to run it."

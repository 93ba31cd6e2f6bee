"""What can be wrong with a model file, or go wrong while its weights are used.

ModelError
├── ModelFileError            a file can't be used
│   ├── MalformedFile         its bytes are not what its format demands
│   │   └── OtherFormat       they are those of something else
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
├── DeviceFull                the device's memory ran out, also after making room
├── HeldMeanwhile             another task holds a model with other patches while it waits
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


def _listed(holders: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {in_bytes(size)}" for name, size in holders.items())


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


class OtherFormat(MalformedFile):
    """A file is something else than its suffix says; ``remedy`` is what to do about this kind."""

    def __init__(self, path: Path, problem: str, remedy: str) -> None:
        super().__init__(path, problem)
        self.remedy = remedy


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
    """No family knows the file.

    Attributes:
        refusals: what each said, by family name.
        holding: how many tensors there are in the file, and some of their names.
    """

    def __init__(self, path: Path, refusals: Mapping[str, str], holding: str) -> None:
        super().__init__(path, refusals, holding)
        self.path, self.refusals, self.holding = path, dict(refusals), holding

    def __str__(self) -> str:
        return (
            f"no model family knows {self.path}, which holds {self.holding} ({self.said}). Install a pack whose family "
            "does; if it changes other models, as a LoRA does, move it to the folder of its kind."
        )

    @property
    def said(self) -> str:
        """What the families said, those together that said the same."""
        names: dict[str, list[str]] = {}
        for name, reason in self.refusals.items():
            names.setdefault(reason, []).append(name)
        said = (f"{', '.join(families)}: {reason}" for reason, families in names.items())
        return "; ".join(said) or "no family is installed"


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
        budget: the most bytes that weights may take there, where the user has set that.
    """

    def __init__(
        self, device: str, part: str, needed: int, free: int, holders: Mapping[str, int], budget: int | None = None
    ) -> None:
        super().__init__(device, part, needed, free, holders, budget)
        self.device, self.part, self.needed, self.free, self.holders = device, part, needed, free, dict(holders)
        self.budget = budget

    def __str__(self) -> str:
        held = _listed(self.holders) or "nothing else"
        return (
            f"{self.part} needs at least {in_bytes(self.needed)} on {self.device}, where at most "
            f"{in_bytes(self.free)} can be had; in use: {held}. {self._remedy}"
        )

    @property
    def _remedy(self) -> str:
        budget = None if self.budget is None else in_bytes(self.budget)
        more = "Close other programs that use its memory" if budget is None else f"Raise --vram ({budget} now)"
        smaller = "choose a smaller model or --dtype"
        return f"{more} or {smaller}." if self.device == "cpu" else f"{more}, {smaller}, or use --device cpu."


class DeviceFull(ModelError):
    """A device ran out of memory while a module was in use, also after everyone else had left it.

    Attributes:
        part: the module in use.
        free: bytes that are left.
        holders: bytes held by name, the module in use among them.
        loading: whether it was still being brought to the device.
    """

    def __init__(self, device: str, part: str, free: int, holders: Mapping[str, int], *, loading: bool = False) -> None:
        super().__init__(device, part, free, holders)
        self.device, self.part, self.free, self.holders = device, part, free, dict(holders)
        self.loading = loading

    def __str__(self) -> str:
        held = _listed(self.holders) or "nothing"
        when, remedy = (
            ("was being loaded", "Close other programs that use it")
            if self.loading
            else ("was in use", "Make the picture or the batch smaller")
        )
        return (
            f"{self.device} ran out of memory while {self.part} {when}; models hold: {held}; {in_bytes(self.free)} "
            f"are left. {remedy}, give models less of it with --vram, or use --device cpu."
        )


class HeldMeanwhile(ModelError):
    """An asynchronous task holds a model with other patches while it waits for something; ``part`` says which."""

    def __init__(self, part: str) -> None:
        super().__init__(part)
        self.part = part

    def __str__(self) -> str:
        return (
            f"{self.part} is held with other patches by an asynchronous node that waits for something meanwhile. "
            "Such a node must not await inside of borrow(); or let the nodes run one after the other."
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

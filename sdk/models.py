"""Models as packs see them: what a file is, which parts it has, and handles that hold no weights.

A *family* says from a file's header alone whether a file is one of its own (``identify``), and how the
file's tensors become modules (``parts``). The model manager does everything else: it reads, places, patches
and evicts. Along links flow *handles*: values that name a part, its patches and its options.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol, TypeVar

Derived = TypeVar("Derived")

COMPILE = "compile"
"""The handle's option that names the backend which the repeated blocks of the module are compiled with."""

COMPILE_BACKENDS = ("inductor", "cudagraphs")
"""Values of that option."""

COMPUTE_DTYPE = "compute_dtype"
"""The handle's option that names what the module computes in: ``fp32``, ``fp16`` or ``bf16``."""

RUN_EAGERLY = "run_eagerly"
"""A module with this attribute, and true, isn't run as compiled code: what is inside of it changes between calls."""

CONFIG_METADATA = "comfy_nodes.config"
"""Key of a safetensors header's metadata with a JSON object of facts that shapes can't tell,
such as ``{"unet.heads": 8, "clip_l.heads": 2}``."""


@dataclass(frozen=True)
class TensorInfo:
    """A tensor's dtype (as safetensors spells it: ``F32``, ``F16``, ``BF16``, ``F8_E4M3``, ``I64`` …) and shape."""

    dtype: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Header:
    """What a model file says of itself without reading a tensor."""

    path: Path
    tensors: Mapping[str, TensorInfo]
    metadata: Mapping[str, str] = field(default_factory=dict)

    def shape(self, key: str) -> tuple[int, ...] | None:
        info = self.tensors.get(key)
        return None if info is None else info.shape

    def has_prefix(self, *prefixes: str) -> bool:
        """Whether the name of some tensor starts with one of these; far faster than a look at each name."""
        return any(f"\n{prefix}" in self._names for prefix in prefixes)

    def mentions(self, *marks: str) -> bool:
        """Whether one of these occurs in the name of some tensor; far faster than a look at each name."""
        return any(mark in self._names for mark in marks)

    def derived(self, compute: Callable[[Header], Derived]) -> Derived:
        """What a function makes of this header, computed once, however many families ask."""
        if compute not in self._derived:
            self._derived[compute] = compute(self)
        found: Derived = self._derived[compute]
        return found

    @cached_property
    def _names(self) -> str:
        """All names as one text, a line each, so that a search among them is a single one."""
        return "\n".join(("", *self.tensors))

    @cached_property
    def _derived(self) -> dict[Any, Any]:
        return {}


@dataclass(frozen=True, kw_only=True)
class Identity:
    """What a file is, according to the family that knows it.

    Attributes:
        family: name of the family.
        kind: ``checkpoint``, ``denoiser``, ``text_encoder``, ``vae``, ``lora``, ``controlnet`` …
        config: facts derived from shapes and metadata; JSON values only.
        because: one sentence naming the keys and shapes that decided it.
    """

    family: str
    kind: str
    config: Mapping[str, Any]
    because: str


@dataclass(frozen=True)
class Refusal:
    """Why a file is not of this family, in a few words, for the message about a file nobody knows."""

    reason: str


@dataclass(frozen=True)
class TensorSource:
    """Where a module's tensor comes from: a file's tensor, seen differently but not copied.

    Applied in this order: ``transpose`` (two dimensions swapped), ``narrow`` (dimension, start, length), ``reshape``.
    """

    key: str
    transpose: bool = False
    narrow: tuple[int, int, int] | None = None
    reshape: tuple[int, ...] | None = None


@dataclass(frozen=True)
class Stacked:
    """Several weights that files of changes treat as one, their rows one below another.

    Attributes:
        sources: where the rows are: whole weights, or some rows of one (``narrow``), by the module's names.
        lengths: how many rows each of them has.
    """

    sources: tuple[TensorSource, ...]
    lengths: tuple[int, ...]


PatchTarget = str | TensorSource | Stacked
"""What a name in a file of changes stands for: a weight, some of one, or several."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Part:
    """One module inside a file.

    Attributes:
        name: ``denoiser``, ``text_encoder``, ``vae`` …
        build: makes the ``torch.nn.Module``, without weights (called under the meta device).
        weights: the module's parameter and buffer names, each with its source in the file.
        adapter: the family's plain object that nodes use together with the module.
        patch_names: further names by which LoRA files and the like call a weight, each with the module's name for it.
        passed_over: keys of the file that belong to the part and that nothing needs.
    """

    name: str
    build: Callable[[], Any]
    weights: Mapping[str, TensorSource]
    adapter: Any = None
    patch_names: Callable[[], Mapping[str, PatchTarget]] | None = None
    passed_over: frozenset[str] = frozenset()


class ModelFamily(Protocol):
    """A family of models, registered through ``register_model_families``."""

    @property
    def name(self) -> str: ...

    def identify(self, header: Header) -> Identity | Refusal:
        """Say whether the file is of this family, from its header alone; never raises."""

    def parts(self, header: Header, identity: Identity) -> Sequence[Part]:
        """The modules inside a file this family has identified."""


@dataclass(frozen=True)
class ModelFolder:
    """A kind of model file and the folders below the models folder that hold it; by default the one named like it."""

    kind: str
    folders: tuple[str, ...] = ()


class Delta(Protocol):
    """A change to one weight, computed from the weight as the file holds it.

    A delta that mixes rows of the weight says how many neighbouring ones in an attribute ``rows_together`` (0: all), so
    that it is not applied to parts of them. One that can be cut may have a method ``rows(start, length)``, which gives
    the delta of these rows alone and saves computing the others. One of low rank may have a method ``factors(weight)``,
    which gives two matrices, float32 on the weight's device, and a number: ``up`` [out, r], ``down`` [r, in] and
    ``scale``. Then ``apply`` is never called: ``strength * scale * up @ down`` is added to the weight, of which all
    dimensions after the first count as one.
    """

    def apply(self, weight: Any, original: Any, strength: float) -> Any:
        """The patched weight: float32 in, float32 out; ``weight`` may carry earlier patches, ``original`` none."""


@dataclass(frozen=True)
class PatchSet:
    """The deltas of one file for one part, by the module's weight names.

    Attributes:
        key: identifies the content (file hash and part).
        deltas: a delta for each weight; a weight of a fused tensor is named with the rows it covers.
        unmatched: keys of the file that fit nothing in the part.
    """

    key: str
    deltas: Mapping[str, Delta]
    unmatched: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class PatchFormat:
    """A way of storing weight changes (LoRA, LoHa, LoKr …), registered through ``register_patch_formats``.

    Attributes:
        name: as messages show it.
        read: ``read(tensors, names)`` takes a file's tensors and the part's names for its weights, and gives the
            deltas by weight name together with the file's keys it used. ``tensors`` may have an attribute
            ``adapter_config``: what PEFT wrote into the file of that name beside it.
        endings: how the keys of its tensors end, by which a file is known without reading it.
    """

    name: str
    read: Callable[[Mapping[str, Any], Mapping[str, PatchTarget]], tuple[Mapping[str, Delta], frozenset[str]]]
    endings: tuple[str, ...] = ()

    def count(self, header: Header) -> int:
        """How many of a file's tensors are the format's, as far as their names tell."""
        return sum(key.endswith(self.endings) for key in header.tensors)


@dataclass(frozen=True, kw_only=True)
class ModelHandle:
    """A part of a model file with patches and options: a small value; the manager holds the weights.

    Attributes:
        key: identifies file content, part and dtype; equal keys share one set of weights.
        part: the part's name.
        identity: what the file is.
        adapter: the family's plain object for this part.
        patches: patch sets with their strengths, in the order they were added.
        options: what nodes add on the way (sampling overrides, layer choice …), by name; later ones win.
    """

    key: str
    part: str
    identity: Identity
    adapter: Any = field(compare=False)
    patches: tuple[tuple[PatchSet, float], ...] = field(default=(), compare=False)
    options: Mapping[str, Any] = field(default_factory=dict, compare=False)

    def with_patches(self, patches: PatchSet, strength: float) -> ModelHandle:
        """This handle with one more patch set."""
        return replace(self, patches=(*self.patches, (patches, strength)))

    def with_options(self, **options: Any) -> ModelHandle:
        """This handle with options added or replaced."""
        return replace(self, options={**self.options, **options})

    @property
    def patch_key(self) -> tuple[tuple[str, float], ...]:
        """Identifies the patches and their strengths."""
        return tuple((patch.key, strength) for patch, strength in self.patches)


class PartWeights(Protocol):
    """A part's weights on the CPU with a handle's patches, by the module's names; each is computed when looked up."""

    @property
    def shapes(self) -> Mapping[str, tuple[int, ...]]:
        """Of all of them, without computing any."""

    @property
    def aliases(self) -> Mapping[str, PatchTarget]:
        """What files of changes call the weights, as ``Part.patch_names`` has it."""

    def __getitem__(self, name: str) -> Any:
        """The weight: as the file has it, not to be written to, or where patches change it, in float32."""


@dataclass(frozen=True, eq=False)
class StoredPart:
    """A part with a handle's patches, as its file holds it.

    Attributes:
        header: of the file, or of several opened together.
        tensors: by the file's keys, each computed when looked up, in the dtype it has there; those the part is made
            from, and those that are in its file for nothing.
        loose: the file's further keys, which belong to none of its parts; some say something by being there.
    """

    header: Header
    tensors: Mapping[str, Any]
    loose: Mapping[str, Any]


class ModelAccess(Protocol):
    """The model manager as nodes see it."""

    def open(self, path: Path, *, rounded_to: str | None = None) -> Mapping[str, ModelHandle]:
        """Handles of the parts inside a file, by part name; reads the header, loads nothing.

        ``rounded_to`` names a dtype, as safetensors spells it, that the file's weights are rounded to.
        Raises an error that lists what each family said when no family knows the file.
        """

    def open_together(
        self, files: Mapping[str, Path], facts: Mapping[str, Any] | None = None
    ) -> Mapping[str, ModelHandle]:
        """Handles of the parts that several files make together; reads their headers, loads nothing.

        Families see one header with the tensors of all: each file's after the name it is given here and a dot, and so
        with what the files state in their metadata (``CONFIG_METADATA``). There, too, are ``facts``.
        """

    def borrow(self, handle: ModelHandle, *, working_bytes: int = 0) -> AbstractContextManager[Any]:
        """The module on its device with exactly the handle's patches, for the length of a ``with`` block.

        ``working_bytes`` is what the caller will need beside the weights; others are evicted to make room.
        """

    def device(self, handle: ModelHandle) -> Any:
        """The torch device on which the handle's module runs."""

    def weights(self, handle: ModelHandle) -> PartWeights:
        """The handle's weights one by one, to be compared, merged or changed; nothing is placed on a device."""

    def stored(self, handle: ModelHandle) -> StoredPart:
        """The handle's weights in its file's layout, to be saved; nothing is placed on a device.

        Raises an error where the module comes from no file.
        """

    def read_patches(self, path: Path, handles: Sequence[ModelHandle]) -> Sequence[PatchSet]:
        """The patch sets of a LoRA-like file, one for each handle; what fits none is in ``unmatched``."""

    def adopt(self, owner: str, module: Any, *, adapter: Any = None, identity: Identity | None = None) -> ModelHandle:
        """A handle for a module that a pack loaded itself, so that it takes part in placement and eviction."""

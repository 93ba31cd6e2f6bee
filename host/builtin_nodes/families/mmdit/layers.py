"""The layers of a transformer by both of their names: the original code's and diffusers', whose modules we use.

The original keeps query, key and value (and, in Flux, the first layer of the MLP) in one weight, row by row; diffusers
has a layer for each. ``Layers`` names, for each original layer, the module's in the order of their rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from host.builtin_nodes.families.refusals import WHOLE_NUMBERS, LayoutError, PackedWeights
from sdk.models import Header, PatchTarget, Stacked, TensorSource

Layers = Mapping[str, tuple[str, ...]]

KINDS = ("weight", "bias", "scale")

_BEFORE_ORIGINAL = ("", "diffusion_model.", "model.diffusion_model.", "base_model.model.", "transformer.")
_BEFORE_MODULE = ("", "transformer.", "base_model.model.", "base_model.model.transformer.", "unet.")


@dataclass(frozen=True)
class LayerTable:
    """How a transformer's layers are called and cut.

    Attributes:
        layers: by the original's name, the module's layers in the order of their rows.
        width: rows of all but the last of several layers; the last has what remains.
        halves_swapped: the module's layers whose two halves diffusers keeps the other way round.
    """

    layers: Layers
    width: int
    halves_swapped: frozenset[str]

    def lengths(self, original: str, rows: int) -> list[int]:
        """Rows of each of the module's layers in an original one of ``rows`` rows."""
        count = len(self.layers[original])
        return [self.width] * (count - 1) + [rows - self.width * (count - 1)]


def weight_sources(header: Header, prefix: str, table: LayerTable, *, original_layout: bool) -> dict[str, TensorSource]:
    """Where the module finds its weights in a file, whose names follow ``prefix``."""
    if original_layout:
        return _original_sources(header, prefix, table)
    return {key.removeprefix(prefix): TensorSource(key) for key in header.tensors if key.startswith(prefix)}


def _original_sources(header: Header, prefix: str, table: LayerTable) -> dict[str, TensorSource]:
    sources: dict[str, TensorSource] = {}
    for original, layers in table.layers.items():
        for kind in KINDS:
            info = header.tensors.get(f"{prefix}{original}.{kind}")
            if info is None or not info.shape:
                continue
            start = 0
            for layer, length in zip(layers, table.lengths(original, info.shape[0]), strict=True):
                narrow = None if len(layers) == 1 else (0, start, length)
                name = f"{layer}.{'weight' if kind == 'scale' else kind}"
                sources[name] = TensorSource(f"{prefix}{original}.{kind}", narrow=narrow)
                start += length
    return sources


def patch_names(
    header: Header, sources: Mapping[str, TensorSource], table: LayerTable, *, original_layout: bool
) -> dict[str, PatchTarget]:
    """Further names for a transformer's weights and biases, as files of changes use them.

    Known are kohya's ``lora_unet_…`` and ``lycoris_…`` with original and with diffusers' paths, ``oft_unet_…`` with
    original ones, and either paths with dots, alone, after ``transformer.`` and, as PEFT saves them,
    ``base_model.model.``. Only original paths follow ``diffusion_model.``, which is what files are saved with.

    Args:
        header: the file's.
        sources: of the module's weights, in it.
        table: the module's layers.
        original_layout: whether the module's modulations have the original's order of halves.
    """
    weights = {name: _rows(header, source) for name, source in sources.items()}
    names: dict[str, PatchTarget] = {}
    for original, layers in table.layers.items():
        for kind in ("weight", "bias"):
            if any(f"{layer}.{kind}" not in weights for layer in layers):
                continue
            ending = "" if kind == "weight" else ".bias"
            swapped = table.halves_swapped.intersection(layers)
            for layer in layers:
                own = _whole(layer, kind, weights, halves_swapped=bool(swapped) and original_layout)
                names |= {f"{name}{ending}": own for name in _module_spellings(layer)}
            fused = _joined(layers, kind, weights, halves_swapped=bool(swapped) and not original_layout)
            names |= {f"{name}{ending}": fused for name in _original_spellings(original)}
    return names


def _rows(header: Header, source: TensorSource) -> int:
    return source.narrow[2] if source.narrow else header.tensors[source.key].shape[0]


def _original_spellings(original: str) -> Iterator[str]:
    yield f"lora_unet_{original.replace('.', '_')}"
    yield f"oft_unet_{original.replace('.', '_')}"
    yield f"lycoris_{original.replace('.', '_')}"
    yield from (before + original for before in _BEFORE_ORIGINAL)


def _module_spellings(layer: str) -> Iterator[str]:
    underscored = layer.replace(".", "_")
    yield f"lora_unet_{underscored}"
    yield f"lora_transformer_{underscored}"
    yield f"lycoris_{underscored}"
    yield from (before + layer for before in _BEFORE_MODULE)


def _whole(layer: str, kind: str, weights: Mapping[str, int], *, halves_swapped: bool) -> PatchTarget:
    name = f"{layer}.{kind}"
    return _swapped(name, weights[name]) if halves_swapped else name


def _joined(layers: Sequence[str], kind: str, weights: Mapping[str, int], *, halves_swapped: bool) -> PatchTarget:
    if len(layers) == 1:
        return _whole(layers[0], kind, weights, halves_swapped=halves_swapped)
    names = [f"{layer}.{kind}" for layer in layers]
    return Stacked(tuple(TensorSource(name) for name in names), tuple(weights[name] for name in names))


def _swapped(name: str, rows: int) -> Stacked:
    half = rows // 2
    return Stacked((TensorSource(name, narrow=(0, half, half)), TensorSource(name, narrow=(0, 0, half))), (half, half))


def numbered(prefix: str, count: int, layers: Mapping[str, tuple[str, ...]], target: str) -> dict[str, tuple[str, ...]]:
    """The layers of ``count`` equal blocks: ``prefix.N.original`` with ``target.N.layer`` for each of its layers."""
    return {
        f"{prefix}.{number}.{original}": tuple(f"{target}.{number}.{layer}" for layer in names)
        for number in range(count)
        for original, names in layers.items()
    }


def count_blocks(shape: Callable[[str], tuple[int, ...] | None], template: str) -> int:
    """How many blocks there are, by a tensor that each of them has; ``template`` has ``{}`` for the number."""
    number = 0
    while shape(template.format(number)) is not None:
        number += 1
    return number


def matrix(header: Header, key: str) -> tuple[int, int]:
    """The shape of a tensor of two dimensions.

    Raises:
        LayoutError: it is missing or of another kind, or packed.
    """
    info = header.tensors.get(key)
    if info is not None and info.dtype in WHOLE_NUMBERS:
        raise PackedWeights(key, info.dtype)
    shape = None if info is None else info.shape
    if shape is None or len(shape) != 2 or min(shape) < 1:
        raise LayoutError(f"it has no matrix {key}" if shape is None else f"{key} has shape {list(shape)}")
    return shape[0], shape[1]

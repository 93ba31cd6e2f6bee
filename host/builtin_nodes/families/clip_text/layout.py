"""Finds CLIP text encoders in a file and reads their dimensions off the shapes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import count
from typing import Any

from host.builtin_nodes.families.clip_text.names import (
    FIRST_POSITIONS,
    ORIGINAL_TOKENS,
    OTHER_POSITIONS,
    POSITIONS,
    PROJECTION,
    TELLING,
    TEXT_MODEL,
    TOKENS,
    Shapes,
    original_sources,
    projection_source,
    transformers_sources,
)
from host.builtin_nodes.families.refusals import LayoutError
from host.builtin_nodes.families.stated_facts import whole_number
from sdk.models import Header, TensorSource

_FIRST_MLP = "encoder.layers.0.mlp.fc1.weight"
_LAYER = "encoder.layers.{}.layer_norm1.weight"
_VOCABULARY = 49_408
_FEWEST_POSITIONS = 3  # start, one token, end
_CHANNELS_PER_HEAD = 64
_ACTIVATIONS = {"clip_l": "quick_gelu"}
_LAYERS_OF_H = 24


@dataclass(frozen=True, kw_only=True)
class ClipTextLayout:
    """A CLIP text encoder inside a file.

    Attributes:
        key: which one: ``clip_l``, ``clip_g`` or ``clip_h``.
        prefix: what precedes its own names.
        original: it has the names of OpenAI's code and OpenCLIP instead of transformers'.
        positions: how many tokens it takes at once.
        long_positions: its positions come in two tables (LongCLIP).
        projection: width of the projected pooled vector; None without a projection, or where none is wanted.
    """

    key: str
    prefix: str
    original: bool
    width: int
    layers: int
    mlp: int
    heads: int
    vocabulary: int
    positions: int
    long_positions: bool
    projection: int | None

    @property
    def activation(self) -> str:
        """``quick_gelu`` for OpenAI's CLIP-L, ``gelu`` for OpenCLIP's."""
        return _ACTIVATIONS.get(self.key, "gelu")

    @property
    def left_out(self) -> int:
        """How many of the last layers the file lacks: Stable Diffusion 2 in diffusers' layout has those it uses."""
        return int(self.key == "clip_h" and self.layers == _LAYERS_OF_H - 1)

    def as_json(self) -> dict[str, Any]:
        """The fields, as ``ClipTextLayout(**fields)`` takes them."""
        return dict(vars(self))


def find_clip_text(
    header: Header, prefix: str, key: str, facts: Mapping[str, Any], *, projected: bool = False
) -> ClipTextLayout | None:
    """The encoder whose names begin at ``prefix``, or one level (``text_model``) below; None where there is none.

    Args:
        key: which encoder it is.
        facts: ``<key>.heads`` where a head hasn't 64 channels.
        projected: its pooled vector is projected, if the file has the projection.

    Raises:
        LayoutError: there is one, but of impossible dimensions.
    """
    tensors = header.tensors
    original = prefix + ORIGINAL_TOKENS in tensors
    own = prefix if original else next((p for p in (prefix + TEXT_MODEL, prefix) if p + TOKENS in tensors), None)
    if own is None:
        return None
    shapes = _shapes(header, own, TELLING)
    projection = _projection(header, own) if projected else None
    layout = _dimensions(shapes, _sources(shapes, original=original), key, whole_number(facts, f"{key}.heads"))
    width = None if projection is None else header.tensors[projection.key].shape[-1 if projection.transpose else 0]
    return replace(layout, prefix=own, original=original, projection=width)


def clip_text_sources(header: Header, layout: ClipTextLayout) -> dict[str, TensorSource]:
    """Where the encoder's module finds its weights.

    Names are those of transformers' ``CLIPTextModel``; with a projection, of ``CLIPTextModelWithProjection``.
    """
    own = _sources(_shapes(header, layout.prefix), original=layout.original)
    sources = {name: replace(source, key=layout.prefix + source.key) for name, source in own.items()}
    if layout.projection is None:
        return sources
    projection = _projection(header, layout.prefix)
    named = {TEXT_MODEL + name: source for name, source in sources.items()}
    return named if projection is None else {**named, PROJECTION: projection}


def _shapes(header: Header, prefix: str, endings: tuple[str, ...] = ("",)) -> Shapes:
    """Shapes below a prefix, of names that end so, by what follows the prefix."""
    infos = header.tensors
    return {
        key.removeprefix(prefix): infos[key].shape for key in infos if key.startswith(prefix) and key.endswith(endings)
    }


def _sources(shapes: Shapes, *, original: bool) -> dict[str, TensorSource]:
    return original_sources(shapes) if original else transformers_sources(shapes)


def _projection(header: Header, prefix: str) -> TensorSource | None:
    """The projection's source: it lies beside ``text_model``, not below it."""
    for place in (prefix.removesuffix(TEXT_MODEL), prefix):
        below = {key.removeprefix(place): header.tensors[key].shape for key in _beside(header, place)}
        source = projection_source(below)
        if source is not None and len(below[source.key]) == 2:
            return replace(source, key=place + source.key)
    return None


def _beside(header: Header, place: str) -> list[str]:
    names = (place + PROJECTION, place + PROJECTION.removesuffix(".weight"))
    return [name for name in names if name in header.tensors]


def _dimensions(shapes: Shapes, sources: Mapping[str, TensorSource], key: str, heads: int | None) -> ClipTextLayout:
    def table(name: str) -> tuple[int, ...]:
        return shapes[sources[name].key] if name in sources else ()

    long_positions = FIRST_POSITIONS in sources
    tables = [table(name) for name in (TOKENS, OTHER_POSITIONS if long_positions else POSITIONS)]
    mlp = table(_FIRST_MLP)
    if any(len(shape) != 2 for shape in tables):
        raise LayoutError("its text encoder lacks a table of tokens or of positions")
    (vocabulary, width), (positions, position_width) = tables
    layers = next(number for number in count() if _LAYER.format(number) not in sources)
    if len(mlp) != 2 or layers == 0 or position_width != width:
        raise LayoutError(f"its text encoder has {layers} layers of {width} channels, positions of {position_width}")
    if vocabulary < _VOCABULARY or positions < _FEWEST_POSITIONS:
        raise LayoutError(f"its text encoder knows {vocabulary} tokens and takes {positions} at once")
    heads = heads or max(1, width // _CHANNELS_PER_HEAD)
    if width < 1 or width % heads:
        raise LayoutError(f"its text encoder's {width} channels can't be split into {heads} heads")
    return ClipTextLayout(
        key=key,
        prefix="",
        original=False,
        width=width,
        layers=layers,
        mlp=mlp[0],
        heads=heads,
        vocabulary=vocabulary,
        positions=positions,
        long_positions=long_positions,
        projection=None,
    )


def check_context(context: int, *layouts: ClipTextLayout) -> None:
    """Refuse encoders whose states, side by side, are not what a denoiser takes.

    Raises:
        LayoutError: they are of another width than ``context``.
    """
    width = sum(layout.width for layout in layouts)
    if width != context:
        raise LayoutError(f"its UNet takes a context of {context} channels, its text encoder gives {width}")

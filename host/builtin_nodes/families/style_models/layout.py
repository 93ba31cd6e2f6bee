"""Finds a style network in a file and reads its dimensions off the shapes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import count
from typing import Any

from host.builtin_nodes.families.refusals import LayoutError
from host.builtin_nodes.families.stated_facts import stated_facts, whole_number
from sdk.models import Header

STYLE_ADAPTER, REDUX = "t2i_style", "flux_redux"
HEADS_FACT = "style_model.heads"

_TOKENS, _PROJECTION = "style_embedding", "proj"
_LAYER = "transformer_layes.{}."
_ADAPTER_PARTS = ("transformer_layes.", "ln_pre.", "ln_post.")
_UP, _DOWN = "redux_up.weight", "redux_down.weight"
_HEADS = 8


@dataclass(frozen=True, kw_only=True)
class StyleLayout:
    """A style network.

    Attributes:
        kind: ``t2i_style`` (Mou et al. 2023) or ``flux_redux``.
        width: of the image encoder's states.
        inner: channels between Redux' two linear layers; those of an adapter's states.
        context: width of the prompt's states.
        tokens, layers, heads: of an adapter; 0 for Redux, which makes one token of each of the encoder's.
    """

    kind: str
    width: int
    inner: int
    context: int
    tokens: int = 0
    layers: int = 0
    heads: int = 0

    def as_json(self) -> dict[str, Any]:
        """The fields, as ``StyleLayout(**fields)`` takes them."""
        return asdict(self)


def read_layout(header: Header) -> StyleLayout:
    """The style network of a file.

    Raises:
        LayoutError: there is none, or of impossible dimensions.
    """
    if not header.tensors.keys() & {_UP, _DOWN, _TOKENS}:
        raise LayoutError("there is no style network in it")
    shapes = {key: info.shape for key, info in header.tensors.items()}
    if _UP in shapes or _DOWN in shapes:
        return _redux(shapes)
    return _adapter(shapes, whole_number(stated_facts(header), HEADS_FACT) or _HEADS)


def style_names(header: Header, kind: str) -> list[str]:
    """The file's tensors that the network needs; the module's names are the same."""
    if kind == REDUX:
        return [key for key in header.tensors if key.startswith(("redux_up.", "redux_down."))]
    return [key for key in header.tensors if key in (_TOKENS, _PROJECTION) or key.startswith(_ADAPTER_PARTS)]


def _redux(shapes: Mapping[str, tuple[int, ...]]) -> StyleLayout:
    up, down = shapes.get(_UP, ()), shapes.get(_DOWN, ())
    if len(up) != 2 or len(down) != 2 or up[0] != down[1]:
        raise LayoutError("its two linear layers don't fit together")
    return StyleLayout(kind=REDUX, width=up[1], inner=up[0], context=down[0])


def _adapter(shapes: Mapping[str, tuple[int, ...]], heads: int) -> StyleLayout:
    tokens, projection = shapes[_TOKENS], shapes.get(_PROJECTION, ())
    layers = next(n for n in count() if _LAYER.format(n) + "ln_1.weight" not in shapes)
    if len(tokens) != 3 or len(projection) != 2 or projection[0] != tokens[2] or layers == 0 or tokens[2] % heads:
        raise LayoutError("its style tokens, layers and projection don't fit together")
    width, context = projection
    return StyleLayout(
        kind=STYLE_ADAPTER, width=width, inner=width, context=context, tokens=tokens[1], layers=layers, heads=heads
    )

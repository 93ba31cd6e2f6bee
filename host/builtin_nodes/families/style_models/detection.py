"""Tells style networks from all other files by their header."""

from __future__ import annotations

from host.builtin_nodes.families.style_models.layout import REDUX, read_layout
from sdk.models import Header, Identity

FAMILY = "style_models"

PART = "style_model"
"""Name of the part with a style network."""


def detect(header: Header) -> Identity:
    """The identity of a file that holds a style network.

    Raises:
        LayoutError: it is no such file; the reason says what gave it away.
    """
    layout = read_layout(header)
    own = "two linear layers" if layout.kind == REDUX else f"{layout.tokens} style tokens"
    return Identity(
        family=FAMILY,
        kind=PART,
        config={"style": layout.as_json(), "for_family": "flux" if layout.kind == REDUX else "sd1"},
        because=f"it has {own} that make {layout.context} channels of an image encoder's {layout.width}",
    )

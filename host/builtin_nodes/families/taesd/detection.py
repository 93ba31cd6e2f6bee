"""Tells tiny autoencoders from all other files by their header."""

from __future__ import annotations

from host.builtin_nodes.families.taesd.layout import read_layout
from sdk.models import Header, Identity

FAMILY = "taesd"


def detect(header: Header) -> Identity:
    """The identity of a file that is a tiny autoencoder, or half of one.

    Raises:
        LayoutError: it is no such file; the reason says what gave it away.
    """
    layout = read_layout(header)
    halves = " and ".join(layout.halves)
    return Identity(
        family=FAMILY,
        kind="vae",
        config={"layout": layout.as_json(), "latent_channels": layout.latent_channels, "halves": halves},
        because=f"it has the {halves} of a tiny autoencoder with {layout.latent_channels} latent channels",
    )

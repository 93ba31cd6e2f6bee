"""Pictures from a running node: of a latent while it is sampled, and finished ones sent to the client."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sdk.models import ModelHandle

Previewer = Callable[[Any], Any]
"""Turns a latent into a Pillow image, off the sampling thread; it must not borrow models. Made by a plugin."""


@dataclass(frozen=True, eq=False)
class LatentPreview:
    """What a sampler gives ``NodeContext.progress`` as its preview: no picture yet, and none is made unless wanted.

    Attributes:
        latent: the estimate of the clean latent, [batch, channel, height, width] or with frames before the height, in
            the network's space. It must not be changed afterwards.
        model: the denoiser that is sampled.
    """

    latent: Any
    model: ModelHandle


@dataclass(frozen=True, eq=False)
class SentPicture:
    """A finished picture for the client that listens, given to ``NodeContext.progress`` in place of a preview.

    Unlike previews it is never left out, scaled or held back, whatever the user set about previews.

    Attributes:
        content: the picture as a PNG or JPEG file.
        media_type: "image/png" or "image/jpeg".
    """

    content: bytes
    media_type: str = "image/png"

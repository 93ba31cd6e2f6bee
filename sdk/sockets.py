"""The types that flow along links, as annotations: ``def tint(image: Image) -> Image``.

A socket type is a name; two sockets fit when their names are equal, when one is the wildcard
``*``, or when their comma-separated unions share a member. Values are described, not wrapped: an ``Image``
at run time is the tensor itself.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Any

WILDCARD = "*"
COMBO = "COMBO"


@dataclass(frozen=True)
class Socket:
    """A socket type by name; ``Annotated[Any, Socket("MY_TYPE")]`` is how a pack invents one.

    Raises:
        ValueError: the name is empty or holds blanks at its ends.
    """

    name: str
    description: str = ""

    def __post_init__(self) -> None:
        if not self.name or not re.fullmatch(r"\S(.*\S)?", self.name):
            raise ValueError(f"a socket type needs a name without blanks around it, not {self.name!r}")


def fits(offered: str, wanted: str) -> bool:
    """Whether a link may lead from a socket of type ``offered`` into one of type ``wanted``."""
    if offered == wanted or WILDCARD in (offered, wanted):
        return True
    return not _members(offered).isdisjoint(_members(wanted))


def _members(name: str) -> set[str]:
    return {part.strip() for part in name.split(",")}


Image = Annotated[Any, Socket("IMAGE", "tensor [batch, height, width, channel], float32 in 0..1")]
Mask = Annotated[Any, Socket("MASK", "tensor [batch, height, width], float32 in 0..1")]
Latent = Annotated[Any, Socket("LATENT", "dict with `samples`: tensor [batch, channel, height, width]")]
Model = Annotated[Any, Socket("MODEL", "handle of a denoising network with its patches")]
Clip = Annotated[Any, Socket("CLIP", "handle of one or more text encoders with their tokenizers")]
Vae = Annotated[Any, Socket("VAE", "handle of an autoencoder between images and latents")]
Conditioning = Annotated[Any, Socket("CONDITIONING", "list of [tensor, dict] pairs")]
Noise = Annotated[Any, Socket("NOISE", "object that makes start noise for a latent")]
Guider = Annotated[Any, Socket("GUIDER", "model, conditioning and guidance as one denoise function")]
Sampler = Annotated[Any, Socket("SAMPLER", "sampling algorithm with its options")]
Sigmas = Annotated[Any, Socket("SIGMAS", "tensor [steps + 1], falling noise levels")]
ControlNet = Annotated[Any, Socket("CONTROL_NET", "handle of a control network")]
StyleModel = Annotated[Any, Socket("STYLE_MODEL", "handle of a style network")]
ClipVision = Annotated[Any, Socket("CLIP_VISION", "handle of an image encoder")]
ClipVisionOutput = Annotated[Any, Socket("CLIP_VISION_OUTPUT", "what an image encoder says of an image")]
UpscaleModel = Annotated[Any, Socket("UPSCALE_MODEL", "handle of a super-resolution network")]
Audio = Annotated[Any, Socket("AUDIO", "dict with `waveform` [batch, channel, sample] and `sample_rate` in Hz")]
Video = Annotated[Any, Socket("VIDEO", "a video with its frames, rate and sound")]
AnyValue = Annotated[Any, Socket(WILDCARD, "a value of any type")]

_ANNOTATIONS = (
    *(Image, Mask, Latent, Model, Clip, Vae, Conditioning, Noise, Guider, Sampler, Sigmas, ControlNet),
    *(StyleModel, ClipVision, ClipVisionOutput, UpscaleModel, Audio, Video, AnyValue),
)
BUILT_IN_SOCKETS: tuple[Socket, ...] = (
    *(annotation.__metadata__[0] for annotation in _ANNOTATIONS),
    Socket("INT", "whole number of up to 64 bits"),
    Socket("FLOAT", "floating-point number"),
    Socket("STRING", "text"),
    Socket("BOOLEAN", "true or false"),
    Socket(COMBO, "one of a list"),
)

"""The node that opens autoencoders, also tiny ones and one that does nothing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Annotated, Any

from host.builtin_nodes.families.taesd.layout import DECODER, ENCODER, SCALE_FACT, SCALES, SHIFT_FACT
from host.builtin_nodes.loaders.files import part_of
from sdk import Choice, Folders, NodeContext, NodeError, NodeType, Vae, hookimpl, node

if TYPE_CHECKING:
    from pathlib import Path

PIXEL_SPACE = "pixel_space"
SOURCE = "autoencoders"
_APPROXIMATE = "vae_approx"


@node(
    id="VAELoader",
    title="Load VAE",
    category="loaders",
    output_tooltips=("The autoencoder between images and latents.",),
    reads=("vae_name",),
)
def vae_loader(vae_name: Annotated[str, Choice(source=SOURCE)], context: NodeContext) -> Vae:
    """Open a VAE file, to use it instead of the one in a checkpoint.

    Args:
        vae_name: The VAE, among the files in the model folder "vae"; a tiny one (taesd, taesdxl, taesd3, taef1) whose
            encoder and decoder are in the folder "vae_approx"; or pixel_space, whose latents are the images themselves.
    """
    if vae_name == PIXEL_SPACE:
        return _pixel_space(context)
    if vae_name in SCALES:
        scale, shift = SCALES[vae_name]
        facts = {SCALE_FACT: scale, SHIFT_FACT: shift}
        return context.models.open_together(_halves(vae_name, context.folders), facts)["vae"]
    return part_of(context.models.open(context.folders.find("vae", vae_name)), "vae", vae_name)


class MissingHalf(NodeError):
    """A tiny autoencoder's encoder or decoder is not there.

    Attributes:
        kind: of the autoencoder.
        half: which one.
    """

    def __init__(self, kind: str, half: str) -> None:
        super().__init__(kind, half)
        self.kind, self.half = kind, half

    def __str__(self) -> str:
        return f"There is no {self.kind}_{self.half} in the model folder {_APPROXIMATE!r}. Put its file there."


def _halves(kind: str, folders: Folders) -> dict[str, Path]:
    names = folders.names(_APPROXIMATE)
    found: dict[str, Path] = {}
    for half in (ENCODER, DECODER):
        name = _half_name(names, kind, half)
        if name is None:
            raise MissingHalf(kind, half)
        found[half] = folders.find(_APPROXIMATE, name)
    return found


def _half_name(names: Iterable[str], kind: str, half: str) -> str | None:
    return next((name for name in names if name.startswith(f"{kind}_{half}.")), None)


def _pixel_space(context: NodeContext) -> Any:
    from host.builtin_nodes.families.pixel_space import PixelSpaceAdapter, build_pixel_space

    return context.models.adopt("pixel space", build_pixel_space(), adapter=PixelSpaceAdapter())


@hookimpl
def choose_values(source: str, folders: Folders) -> Sequence[str] | None:
    """``autoencoders``: the files of the model folder, the tiny ones that are whole, and pixel space."""
    if source != SOURCE:
        return None
    approximate = folders.names(_APPROXIMATE)
    tiny = [kind for kind in SCALES if all(_half_name(approximate, kind, half) for half in (ENCODER, DECODER))]
    return [*folders.names("vae"), *tiny, PIXEL_SPACE]


@hookimpl
def register_nodes() -> Iterable[NodeType]:
    """The node that opens autoencoders."""
    return [vae_loader]

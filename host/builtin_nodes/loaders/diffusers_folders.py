"""The node that opens models laid out as the diffusers library does: a folder with a sub-folder for each part."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated

from host.builtin_nodes.families.text_encoders.kinds import USE_FACT
from host.builtin_nodes.loaders.files import part_of
from sdk import Choice, Clip, Folders, Model, NodeContext, NodeError, NodeType, Vae, hookimpl, node

SOURCE = "diffusers folders"
_KIND = "diffusers"
_DENOISERS = ("transformer", "unet")
_ENCODERS = ("text_encoder", "text_encoder_2", "text_encoder_3")
_INDEX = ".index.json"
_USES = {"sd1": "stable_diffusion", "sd2": "stable_diffusion", "sdxl_refiner": "stable_diffusion"}
"""What text encoders are used for, where it isn't called like the denoiser's family."""


@node(
    id="DiffusersLoader",
    title="DiffusersLoader",
    category="advanced/loaders/deprecated",
    output_tooltips=(
        "The network that removes noise from latents.",
        "The text encoders that turn prompts into conditioning.",
        "The autoencoder between images and latents.",
    ),
)
def diffusers_loader(
    model_path: Annotated[str, Choice(source=SOURCE)], context: NodeContext
) -> tuple[Model, Clip, Vae]:
    """Open a model laid out as the diffusers library does.

    Args:
        model_path: The model's folder, among those in the model folder "diffusers".
    """
    folders, names = context.folders, context.folders.names(_KIND)
    denoiser = _first(names, model_path, _DENOISERS)
    model = part_of(context.models.open(folders.find(_KIND, denoiser)), "denoiser", denoiser)
    encoders = {part: name for part in _ENCODERS if (name := _file(names, model_path, part)) is not None}
    if not encoders:
        raise IncompleteFolder(model_path, _ENCODERS[:1])
    files = {part: folders.find(_KIND, name) for part, name in encoders.items()}
    family = model.identity.family
    clip = context.models.open_together(files, {USE_FACT: _USES.get(family, family)})["text_encoder"]
    vae = _first(names, model_path, ("vae",))
    return model, clip, part_of(context.models.open(folders.find(_KIND, vae)), "vae", vae)


class IncompleteFolder(NodeError):
    """A folder lacks a part of a model.

    Attributes:
        folder: its name.
        parts: the sub-folders of which one is needed.
    """

    def __init__(self, folder: str, parts: Sequence[str]) -> None:
        super().__init__(folder, parts)
        self.folder, self.parts = folder, tuple(parts)

    def __str__(self) -> str:
        wanted = " or ".join(f"{part}/" for part in self.parts)
        return f"The folder {self.folder!r} has no weights in {wanted}. Get the whole model, or choose another one."


def _first(names: Sequence[str], folder: str, parts: Sequence[str]) -> str:
    found = (_file(names, folder, part) for part in parts)
    name = next((name for name in found if name is not None), None)
    if name is None:
        raise IncompleteFolder(folder, parts)
    return name


def _file(names: Sequence[str], folder: str, part: str) -> str | None:
    """The file with a part's weights: an index of several files, else the one with the shortest name."""
    inside = [name for name in names if name.rpartition("/")[0] == f"{folder}/{part}"]
    return min(inside, key=lambda name: (not name.endswith(_INDEX), len(name)), default=None)


@hookimpl
def choose_values(source: str, folders: Folders) -> Sequence[str] | None:
    """``diffusers folders``: those in the model folder that have a denoiser."""
    if source != SOURCE:
        return None
    places = (name.rpartition("/")[0].rpartition("/") for name in folders.names(_KIND))
    return sorted({folder for folder, _, part in places if folder and part in _DENOISERS})


@hookimpl
def register_nodes() -> Iterable[NodeType]:
    """The node that opens diffusers' folders."""
    return [diffusers_loader]

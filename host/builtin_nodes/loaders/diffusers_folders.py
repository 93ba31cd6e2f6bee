"""The node that opens models laid out as the diffusers library does: a folder with a sub-folder for each part."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Annotated

from host.builtin_nodes.families.text_encoders.kinds import USE_FACT
from host.builtin_nodes.loaders.files import part_of
from sdk import Choice, Clip, Folders, Model, NodeContext, NodeError, NodeType, Vae, hookimpl, node

SOURCE = "diffusers folders"
_KIND = "diffusers"
_DENOISERS = ("transformer", "unet")
_ENCODERS = {"text_encoder": "first", "text_encoder_2": "second", "text_encoder_3": "third"}
"""Sub-folders with text encoders, and what each is called among those opened together."""

_INDEX, _PICKLES = re.compile(r"\.index(\.\w+)?\.json$"), (".bin", ".pt", ".pth", ".ckpt")
_SHARD = re.compile(r"-\d+-of-\d+(\.\w+)+$")
_EXPORT = "openvino_"
"""How files of another program begin that lie beside the weights and end like them."""

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
    encoders = {place: _file(names, model_path, part) for part, place in _ENCODERS.items()}
    files = {place: folders.find(_KIND, name) for place, name in encoders.items() if name is not None}
    if not files:
        raise IncompleteFolder(model_path, [*_ENCODERS][:1])
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
        return (
            f"The folder {self.folder!r} has no weights in {wanted}, or some in several files without the "
            "index that lists these (.index.json). Get the whole model, or choose another one."
        )


def _first(names: Sequence[str], folder: str, parts: Sequence[str]) -> str:
    found = (_file(names, folder, part) for part in parts)
    name = next((name for name in found if name is not None), None)
    if name is None:
        raise IncompleteFolder(folder, parts)
    return name


def _file(names: Sequence[str], folder: str, part: str) -> str | None:
    """The file with a part's weights: an index of several files, else a whole one that is no pickle; the shortest."""
    split = ((name, *name.rpartition("/")[::2]) for name in names)
    inside = [(name, file) for name, place, file in split if place == f"{folder}/{part}" and _is_whole(file)]
    return min(inside, key=lambda pair: _preference(pair[1]), default=(None,))[0]


def _is_whole(file: str) -> bool:
    return not file.startswith(_EXPORT) and _SHARD.search(file) is None


def _preference(file: str) -> tuple[bool, bool, int]:
    return _INDEX.search(file) is None, file.endswith(_PICKLES), len(file)


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

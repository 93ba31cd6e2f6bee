"""Nodes that open model files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated

from sdk import Choice, Clip, Model, ModelHandle, NodeContext, NodeError, NodeType, Vae, hookimpl, node


@node(
    id="CheckpointLoaderSimple",
    title="Load Checkpoint",
    category="loaders",
    output_tooltips=(
        "The network that removes noise from latents.",
        "The text encoder that turns prompts into conditioning.",
        "The autoencoder between images and latents.",
    ),
    reads=("ckpt_name",),
)
def checkpoint_loader_simple(
    ckpt_name: Annotated[str, Choice(source="folder:checkpoints")], context: NodeContext
) -> tuple[Model, Clip, Vae]:
    """Open a checkpoint: a file with everything that makes images from prompts.

    Its weights are read when they are first needed.

    Args:
        ckpt_name: The checkpoint, among the files in the model folder "checkpoints".
    """
    parts = context.models.open(context.folders.find("checkpoints", ckpt_name))
    return _part(parts, "denoiser", ckpt_name), _part(parts, "text_encoder", ckpt_name), _part(parts, "vae", ckpt_name)


@node(
    id="VAELoader",
    title="Load VAE",
    category="loaders",
    output_tooltips=("The autoencoder between images and latents.",),
    reads=("vae_name",),
)
def vae_loader(vae_name: Annotated[str, Choice(source="folder:vae")], context: NodeContext) -> Vae:
    """Open a VAE file, to use it instead of the one in a checkpoint.

    Args:
        vae_name: The VAE, among the files in the model folder "vae".
    """
    return _part(context.models.open(context.folders.find("vae", vae_name)), "vae", vae_name)


_WORDS = {"denoiser": "denoiser", "text_encoder": "text encoder", "vae": "VAE"}


def _part(parts: Mapping[str, ModelHandle], name: str, file: str) -> ModelHandle:
    if name not in parts:
        inside = ", ".join(_WORDS.get(part, part) for part in parts) or "nothing"
        raise NodeError(f"There is no {_WORDS[name]} in {file}; inside are: {inside}. Choose a file that has one.")
    return parts[name]


@hookimpl
def register_nodes() -> Iterable[NodeType]:
    """Nodes that open model files."""
    return [checkpoint_loader_simple, vae_loader]

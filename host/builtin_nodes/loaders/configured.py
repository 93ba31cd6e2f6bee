"""The node that opens checkpoints together with the configuration file they were trained with."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

from host.builtin_nodes.loaders.files import checkpoint_parts
from sdk import Choice, Clip, Model, NodeContext, NodeType, Vae, hookimpl, node


@node(
    id="CheckpointLoader",
    title="Load Checkpoint With Config (DEPRECATED)",
    category="advanced/loaders",
    output_tooltips=(
        "The network that removes noise from latents.",
        "The text encoder that turns prompts into conditioning.",
        "The autoencoder between images and latents.",
    ),
    reads=("config_name", "ckpt_name"),
    deprecated="Load Checkpoint finds out by itself what a file is",
)
def checkpoint_loader(
    config_name: Annotated[str, Choice(source="folder:configs")],
    ckpt_name: Annotated[str, Choice(source="folder:checkpoints")],
    context: NodeContext,
) -> tuple[Model, Clip, Vae]:
    """Open a checkpoint with its configuration file.

    Of the configuration only two things count: whether the network predicts the velocity, and which layer of the text
    encoder is used. Everything else is told by the checkpoint itself.

    Args:
        config_name: The configuration (.yaml), in the model folder "configs".
        ckpt_name: The checkpoint, among the files in the model folder "checkpoints".
    """
    from host.builtin_nodes.loaders.training_config import read_training_config

    config = read_training_config(context.folders.find("configs", config_name))
    opened = context.models.open(context.folders.find("checkpoints", ckpt_name))
    model, clip, vae = checkpoint_parts(opened, ckpt_name)
    return (*config.applied(model, clip), vae)


@hookimpl
def register_nodes() -> Iterable[NodeType]:
    """The node for checkpoints with a configuration."""
    return [checkpoint_loader]

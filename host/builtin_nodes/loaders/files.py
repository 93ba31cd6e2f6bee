"""Nodes that open model files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, Literal, NoReturn

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

    Its weights are read when they are first needed. Some files have no text encoder or no autoencoder; then the
    output for it can't be used, and another loader must give one.

    Args:
        ckpt_name: The checkpoint, among the files in the model folder "checkpoints".
    """
    return checkpoint_parts(context.models.open(context.folders.find("checkpoints", ckpt_name)), ckpt_name)


@node(
    id="UNETLoader",
    title="Load Diffusion Model",
    category="advanced/loaders",
    output_tooltips=("The network that removes noise from latents.",),
    reads=("unet_name",),
)
def unet_loader(
    unet_name: Annotated[str, Choice(source="folder:diffusion_models")],
    weight_dtype: Literal["default", "fp8_e4m3fn", "fp8_e4m3fn_fast", "fp8_e5m2"],
    context: NodeContext,
) -> Model:
    """Open a denoising network from a file of its own.

    Args:
        unet_name: The file, in the model folder "diffusion_models" or "unet".
        weight_dtype: Round the weights to eight bits; "default" leaves them as the file has them.
    """
    path = context.folders.find("diffusion_models", unet_name)
    return part_of(context.models.open(path, rounded_to=_ROUNDED[weight_dtype]), "denoiser", unet_name)


_ROUNDED = {
    "default": None,
    "fp8_e4m3fn": "F8_E4M3",
    "fp8_e4m3fn_fast": "F8_E4M3",
    "fp8_e5m2": "F8_E5M2",
}
"""As safetensors spells the dtypes."""


_WORDS = {"denoiser": "denoiser", "text_encoder": "text encoder", "vae": "VAE", "clip_vision": "image encoder"}


class MissingPart(NodeError, AttributeError):
    """A file lacks a part that is needed.

    Attributes:
        part: what is missing, in words.
        file: the file's name.
        inside: what it has instead, in words.
    """

    def __init__(self, part: str, file: str, inside: Sequence[str]) -> None:
        super().__init__(part, file, inside)
        self.part, self.file, self.inside = part, file, tuple(inside)

    def __str__(self) -> str:
        inside = ", ".join(self.inside) or "nothing"
        return (
            f"There is no {self.part} in {self.file}; inside are: {inside}. "
            "Choose a file that has one, or load one from a file of its own."
        )


class AbsentPart:
    """Stands for a part that a file lacks: who uses it as a handle hears so, who doesn't need it isn't bothered."""

    def __init__(self, fault: MissingPart) -> None:
        self._fault = fault

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("_"):
            raise AttributeError(name)
        raise MissingPart(*self._fault.args)


def part_of(parts: Mapping[str, ModelHandle], name: str, file: str) -> ModelHandle:
    """The part of that name; raises MissingPart where the file hasn't got it."""
    if name not in parts:
        raise _missing(parts, name, file)
    return parts[name]


def checkpoint_parts(parts: Mapping[str, ModelHandle], file: str) -> tuple[ModelHandle, Any, Any]:
    """Denoiser, text encoder and VAE of a checkpoint; raises MissingPart without a denoiser."""
    text_encoder, vae = (part_or_absent(parts, name, file) for name in ("text_encoder", "vae"))
    return part_of(parts, "denoiser", file), text_encoder, vae


def part_or_absent(parts: Mapping[str, ModelHandle], name: str, file: str) -> Any:
    """The part of that name, or what stands for it where the file hasn't got it."""
    return parts[name] if name in parts else AbsentPart(_missing(parts, name, file))


def _missing(parts: Mapping[str, ModelHandle], name: str, file: str) -> MissingPart:
    return MissingPart(_WORDS.get(name, name.replace("_", " ")), file, [_WORDS.get(part, part) for part in parts])


@hookimpl
def register_nodes() -> Iterable[NodeType]:
    """Nodes that open model files."""
    return [checkpoint_loader_simple, unet_loader]

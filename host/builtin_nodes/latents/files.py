"""Latents in files: safetensors called ``.latent``, with the workflow in their header."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from host.builtin_nodes.images.saving import save_numbered
from sdk import Choice, Hidden, Latent, NodeContext, NodeError, NodeResult, NodeType, hookimpl, node

if TYPE_CHECKING:
    from torch import Tensor

SUFFIX = ".latent"
VALUES, UNSCALED = "latent_tensor", "latent_format_version_0"
OLD_SCALE = 0.18215  # files without the UNSCALED mark hold values multiplied by it, as Stable Diffusion 1 sees them


class UnreadableLatent(NodeError):
    """A file holds no latent."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(path, reason)
        self.path, self.reason = path, reason

    def __str__(self) -> str:
        return f"{self.path.name} holds no latent: {self.reason}. Save it again with Save Latent."


@node(id="SaveLatent", title="SaveLatent", category="_for_testing", output_node=True, returns=type(None))
def save_latent(
    context: NodeContext,
    samples: Latent,
    filename_prefix: str = "latents/ComfyUI",
    prompt: Annotated[Any, Hidden.PROMPT] = None,
    extra_pnginfo: Annotated[Any, Hidden.EXTRA_PNGINFO] = None,
) -> NodeResult:
    """Save latents as a file in the output folder, with the workflow inside.

    Args:
        samples: The latents; a batch becomes one file.
        filename_prefix: Start of the file name, before a running number; may name sub-folders.
    """
    import torch
    from safetensors.torch import save

    entries = dict(extra_pnginfo or {}) if prompt is None else {"prompt": prompt, **(extra_pnginfo or {})}
    notes = {key: json.dumps(value) for key, value in entries.items()}
    content = save({VALUES: samples["samples"].contiguous(), UNSCALED: torch.tensor([])}, notes)
    saved = save_numbered(context.folders.place(filename_prefix), lambda file: file.write(content), suffix=SUFFIX)
    return NodeResult(ui={"latents": [saved.shown()]})


def _named(latent: str) -> bool | str:
    # Files of sub-folders and of other folders ("x.latent [output]") are fine too: the list of choices is no limit.
    return True if latent and isinstance(latent, str) else f"Invalid latent file: {latent}"


@node(
    id="LoadLatent",
    title="LoadLatent",
    category="_for_testing",
    output_tooltips=("The latents.",),
    reads=("latent",),
    validate=_named,
)
def load_latent(latent: Annotated[str, Choice(source="input:latent")], context: NodeContext) -> Latent:
    """Read latents from a file.

    Args:
        latent: File in the input folder. "name [output]" takes it from the output folder.
    """
    return {"samples": read_latent(context.folders.input_file(latent))}


def read_latent(path: Path) -> Tensor:
    """The float32 values in a latent file, in the scale in which nodes exchange them.

    Raises:
        UnreadableLatent: it is no safetensors file, or has no latent in it.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        tensors = load_file(path)
    except (SafetensorError, OSError) as error:
        raise UnreadableLatent(path, str(error)) from error
    if VALUES not in tensors:
        raise UnreadableLatent(path, f"there is no tensor {VALUES!r} in it")
    values: Tensor = tensors[VALUES].float()
    return values if UNSCALED in tensors else values * (1.0 / OLD_SCALE)


@hookimpl
def register_nodes() -> Iterable[NodeType]:
    """Nodes that write and read latent files."""
    return [save_latent, load_latent]

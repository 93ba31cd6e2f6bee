"""Nodes that apply a file of weight changes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

from host.builtin_nodes.families.interface import with_changes
from host.builtin_nodes.lora.errors import NothingMatches, first_of
from sdk import Choice, Clip, Model, ModelHandle, NodeContext, NodeType, PatchSet, Range, hookimpl, node

LoraName = Annotated[str, Choice(source="folder:loras")]
Strength = Annotated[float, Range(-100.0, 100.0, 0.01)]

_TEXT_ENCODER_KEYS = ("lora_te", "text_encoder")


@node(
    id="LoraLoader",
    title="Load LoRA",
    category="loaders",
    output_tooltips=("The model with the change.", "The text encoder with the change."),
    reads=("lora_name",),
)
def lora_loader(
    model: Model,
    clip: Clip,
    lora_name: LoraName,
    context: NodeContext,
    strength_model: Strength = 1.0,
    strength_clip: Strength = 1.0,
) -> tuple[Model, Clip]:
    """Apply a LoRA, or another file of weight changes, to a model and its text encoder.

    Several can be chained; their changes add up. Reads LoRA, LoCon, LoHa, LoKr, GLoRA, DoRA, OFT, BOFT and
    whole differences.

    Args:
        model: The model to change.
        clip: The text encoder to change.
        lora_name: File in the folder for LoRAs.
        strength_model: How much of the change the model gets: 0 none, 1 as trained, negative the opposite.
        strength_clip: How much of the change the text encoder gets.
    """
    strengths = {"model": strength_model, "text encoder": strength_clip}
    patched = _patched({"model": model, "text encoder": clip}, strengths, lora_name, context)
    return patched["model"], patched["text encoder"]


@node(
    id="LoraLoaderModelOnly",
    title="LoraLoaderModelOnly",
    category="loaders",
    output_tooltips=("The model with the change.",),
    reads=("lora_name",),
)
def lora_loader_model_only(
    model: Model, lora_name: LoraName, context: NodeContext, strength_model: Strength = 1.0
) -> Model:
    """Apply a LoRA, or another file of weight changes, to a model and leave its text encoder alone.

    Args:
        model: The model to change.
        lora_name: File in the folder for LoRAs.
        strength_model: How much of the change the model gets: 0 none, 1 as trained, negative the opposite.
    """
    return _patched({"model": model}, {"model": strength_model}, lora_name, context)["model"]


def _patched(
    handles: Mapping[str, ModelHandle | None], strengths: Mapping[str, float], lora_name: str, context: NodeContext
) -> Mapping[str, ModelHandle | None]:
    """The handles with the file's changes; what stands for a part that a checkpoint lacks stays as it is."""
    present = {name: handle for name, handle in handles.items() if isinstance(handle, ModelHandle)}
    if not present or not any(strengths.values()):
        return handles
    path = context.folders.find("loras", lora_name)
    found = context.models.read_patches(path, list(present.values()))
    # Under the file's name, for whoever says later that a change doesn't fit its weight.
    patches = {
        name: replace(patch, key=f"{path.name} ({patch.key})") for name, patch in zip(present, found, strict=True)
    }
    _tell_unmatched(path, patches, context)
    result = dict(handles)
    for name, handle in present.items():
        if strengths[name] and patches[name].deltas:
            result[name] = with_changes(handle, patches[name], strengths[name])
    return result


def _tell_unmatched(path: Path, patches: Mapping[str, PatchSet], context: NodeContext) -> None:
    """Say which keys fit none of the models; raise NothingMatches if none fits any."""
    keys = _in_none(list(patches.values()))
    if not any(patch.deltas for patch in patches.values()):
        raise NothingMatches(path.name, [f"the {name}" for name in patches], keys)
    if "text encoder" not in patches:
        keys = [key for key in keys if not key.startswith(_TEXT_ENCODER_KEYS)]
    if keys:
        what = "key fits" if len(keys) == 1 else "keys fit"
        message = f"{path.name}: {len(keys)} {what} no weight of the {' or '.join(patches)}: {first_of(keys)}"
        context.logger.warning("%s", message)
        context.text(message)


def _in_none(patches: Sequence[PatchSet]) -> list[str]:
    common = frozenset.intersection(*(frozenset(patch.unmatched) for patch in patches))
    return [key for key in patches[0].unmatched if key in common]


@hookimpl
def register_nodes() -> Iterable[NodeType]:
    """Nodes that apply a file of weight changes."""
    return [lora_loader, lora_loader_model_only]

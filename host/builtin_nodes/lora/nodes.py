"""Nodes that apply a file of weight changes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated

from host.builtin_nodes.families.interface import with_changes
from host.builtin_nodes.lora.errors import NothingMatches, first_of
from host.builtin_nodes.lora.unread import unread_kinds
from host.builtin_nodes.text.bundled_embeddings import bundled_name, read_bundle, with_bundle
from sdk import Choice, Clip, Model, ModelHandle, NodeContext, NodeType, PatchSet, Range, hookimpl, node

LoraName = Annotated[str, Choice(source="folder:loras")]
Strength = Annotated[float, Range(-100.0, 100.0, 0.01)]

_MODEL, _TEXT_ENCODER = "model", "text encoder"
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

    Several can be chained; their changes add up. Reads LoRA, LoCon, LoHa, LoKr, GLoRA, DoRA, OFT, BOFT, IA3 and
    whole differences. Embeddings that a file brings along are found by prompts for the text encoder that comes out,
    as "embedding:name".

    Args:
        model: The model to change.
        clip: The text encoder to change.
        lora_name: File in the folder for LoRAs.
        strength_model: How much of the change the model gets: 0 none, 1 as trained, negative the opposite.
        strength_clip: How much of the change the text encoder gets.
    """
    strengths = {_MODEL: strength_model, _TEXT_ENCODER: strength_clip}
    patched = _patched({_MODEL: model, _TEXT_ENCODER: clip}, strengths, lora_name, context)
    return patched[_MODEL], patched[_TEXT_ENCODER]


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
    return _patched({_MODEL: model}, {_MODEL: strength_model}, lora_name, context)[_MODEL]


def _patched(
    handles: Mapping[str, ModelHandle | None], strengths: Mapping[str, float], lora_name: str, context: NodeContext
) -> Mapping[str, ModelHandle | None]:
    """The handles with the file's changes; what stands for a part that a checkpoint lacks stays as it is."""
    present = {name: handle for name, handle in handles.items() if isinstance(handle, ModelHandle)}
    if not present or not any(strengths.values()):
        return handles
    path = context.folders.find("loras", lora_name)
    patches = dict(zip(present, context.models.read_patches(path, list(present.values())), strict=True))
    keys = _in_none(list(patches.values()))
    bundled = {key: name for key in keys if (name := bundled_name(key))}
    changed = {name: _changed(handle, patches[name], strengths[name]) for name, handle in present.items()}
    if bundled and _TEXT_ENCODER in changed:
        changed[_TEXT_ENCODER] = with_bundle(changed[_TEXT_ENCODER], read_bundle(path, bundled))
    elif not any(patch.deltas for patch in patches.values()):
        raise NothingMatches(path.name, [f"the {name}" for name in patches], keys)
    _tell_unmatched(path, list(patches), [key for key in keys if key not in bundled], context)
    if bundled:
        _tell_embeddings(path, sorted(set(bundled.values())), context, usable=_TEXT_ENCODER in changed)
    return {**handles, **changed}


def _changed(handle: ModelHandle, patches: PatchSet, strength: float) -> ModelHandle:
    return with_changes(handle, patches, strength) if strength and patches.deltas else handle


def _in_none(patches: Sequence[PatchSet]) -> list[str]:
    common = frozenset.intersection(*(frozenset(patch.unmatched) for patch in patches))
    return [key for key in patches[0].unmatched if key in common]


def _tell_unmatched(path: Path, parts: Sequence[str], keys: Sequence[str], context: NodeContext) -> None:
    """Say which keys fit none of the models."""
    if _TEXT_ENCODER not in parts:
        keys = [key for key in keys if not key.startswith(_TEXT_ENCODER_KEYS)]
    if not keys:
        return
    what = "key fits" if len(keys) == 1 else "keys fit"
    message = f"{path.name}: {len(keys)} {what} no weight of the {' or '.join(parts)}: {first_of(keys)}"
    if kinds := unread_kinds(keys):
        message = f"{message}. Among them is what can't be read here: {', '.join(kinds)}"
    context.logger.warning("%s", message)
    context.text(message)


def _tell_embeddings(path: Path, names: Sequence[str], context: NodeContext, *, usable: bool) -> None:
    """Say by which words prompts call the embeddings that the file brings."""
    listed = first_of([f"embedding:{name}" for name in names])
    if usable:
        context.text(f"{path.name} brings words for prompts: {listed}")
        return
    message = f"{path.name} brings embeddings ({listed}); Load LoRA makes them known to the prompts of its text encoder"
    context.logger.warning("%s", message)
    context.text(message)


@hookimpl
def register_nodes() -> Iterable[NodeType]:
    """Nodes that apply a file of weight changes."""
    return [lora_loader, lora_loader_model_only]

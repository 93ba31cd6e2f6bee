"""Nodes that save models, with what patches and merges made of them, in the original single-file layout."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Annotated, Any

from host.builtin_nodes.families.stated_facts import stated_facts
from host.builtin_nodes.images.saving import SavedFile, save_numbered
from sdk import CONFIG_METADATA, Clip, Header, Hidden, Model, NodeContext, NodeResult, NodeType, Vae, hookimpl, node

if TYPE_CHECKING:
    from host.builtin_nodes.merging.tensor_files import Entry

_CATEGORY = "advanced/model_merging"
_SUFFIX = ".safetensors"
_ARCHITECTURES = {
    "sd1": "stable-diffusion-v1",
    "sd2": "stable-diffusion-v2",
    "sdxl": "stable-diffusion-xl-v1-base",
    "sdxl_refiner": "stable-diffusion-xl-v1-refiner",
    "sd3": "stable-diffusion-v3",
    "flux": "flux-1",
}
_PREDICTIONS = {"eps": "epsilon", "v": "v"}
Prompt = Annotated[Any, Hidden.PROMPT]
Workflow = Annotated[Any, Hidden.EXTRA_PNGINFO]


@node(id="CheckpointSave", title="Save Checkpoint", category=_CATEGORY, output_node=True, returns=type(None))
def checkpoint_save(
    context: NodeContext,
    model: Model,
    clip: Clip,
    vae: Vae,
    filename_prefix: str = "checkpoints/ComfyUI",
    prompt: Prompt = None,
    extra_pnginfo: Workflow = None,
) -> NodeResult:
    """Save model, text encoder and VAE as one checkpoint in the output folder, with the workflow inside.

    Args:
        model: The model with its LoRAs and merges, which become part of its weights.
        clip: The text encoder that belongs to it.
        vae: The autoencoder that belongs to it.
        filename_prefix: Start of the file name, before a running number; may name sub-folders.
    """
    from host.builtin_nodes.merging.checkpoint_layout import (
        denoiser_entries,
        text_entries,
        text_facts,
        text_in_checkpoint,
        vae_entries,
        vae_in_checkpoint,
    )
    from host.builtin_nodes.merging.prediction import statement

    stored, family = context.models.stored(model), model.identity.family
    said = statement(model, stored)
    entries = {**denoiser_entries(model, stored), **said.marks}
    entries |= text_in_checkpoint(family, text_entries(clip, context.models.stored(clip)))
    entries |= vae_in_checkpoint(family, vae_entries(vae, context.models.stored(vae)))
    facts = {**_facts(stored.header), **text_facts(clip), **said.facts}
    notes = _notes(prompt, extra_pnginfo) | _described(family, said.prediction)
    saved = _save(context, filename_prefix, entries, notes, facts)
    _tell(said.lost, context)
    return _shown([saved])


@node(id="ModelSave", title="ModelSave", category=_CATEGORY, output_node=True, returns=type(None))
def model_save(
    context: NodeContext,
    model: Model,
    filename_prefix: str = "diffusion_models/ComfyUI",
    prompt: Prompt = None,
    extra_pnginfo: Workflow = None,
) -> NodeResult:
    """Save a denoising network alone in the output folder, with the workflow inside.

    Args:
        model: The model with its LoRAs and merges, which become part of its weights.
        filename_prefix: Start of the file name, before a running number; may name sub-folders.
    """
    from host.builtin_nodes.merging.checkpoint_layout import denoiser_entries
    from host.builtin_nodes.merging.prediction import statement

    stored = context.models.stored(model)
    said = statement(model, stored)
    notes = _notes(prompt, extra_pnginfo) | _described(model.identity.family, said.prediction)
    entries = {**denoiser_entries(model, stored), **said.marks}
    saved = _save(context, filename_prefix, entries, notes, {**_facts(stored.header), **said.facts})
    _tell(said.lost, context)
    return _shown([saved])


@node(id="CLIPSave", title="CLIPSave", category=_CATEGORY, output_node=True, returns=type(None))
def clip_save(
    context: NodeContext,
    clip: Clip,
    filename_prefix: str = "clip/ComfyUI",
    prompt: Prompt = None,
    extra_pnginfo: Workflow = None,
) -> NodeResult:
    """Save a model's text encoders in the output folder, each as a file of its own.

    Args:
        clip: The text encoders with their LoRAs and merges, which become part of their weights.
        filename_prefix: Start of the file names, before the encoder's name and a running number; may name sub-folders.
    """
    from host.builtin_nodes.merging.checkpoint_layout import text_entries, text_facts

    facts, notes = text_facts(clip), _notes(prompt, extra_pnginfo)
    encoders = text_entries(clip, context.models.stored(clip))
    return _shown(
        [
            _save(context, f"{filename_prefix}_{key}", entries, notes, {**facts, "text_encoder": key})
            for key, entries in encoders.items()
        ]
    )


@node(id="VAESave", title="VAESave", category=_CATEGORY, output_node=True, returns=type(None))
def vae_save(
    context: NodeContext,
    vae: Vae,
    filename_prefix: str = "vae/ComfyUI_vae",
    prompt: Prompt = None,
    extra_pnginfo: Workflow = None,
) -> NodeResult:
    """Save an autoencoder alone in the output folder.

    Args:
        vae: The autoencoder.
        filename_prefix: Start of the file name, before a running number; may name sub-folders.
    """
    from host.builtin_nodes.merging.checkpoint_layout import vae_entries

    entries = vae_entries(vae, context.models.stored(vae))
    return _shown([_save(context, filename_prefix, entries, _notes(prompt, extra_pnginfo), {})])


def _notes(prompt: Any, extra: Mapping[str, Any] | None) -> dict[str, str]:
    entries = dict(extra or {}) if prompt is None else {"prompt": prompt, **(extra or {})}
    return {key: json.dumps(value) for key, value in entries.items()}


def _described(family: str, prediction: str | None) -> dict[str, str]:
    """What the model metadata standard of Stability AI asks for, as far as it is known."""
    known = {
        "modelspec.architecture": _ARCHITECTURES.get(family),
        "modelspec.predict_key": _PREDICTIONS.get(prediction or ""),
    }
    said = {key: value for key, value in known.items() if value}
    return {"modelspec.sai_model_spec": "1.0.0", "modelspec.implementation": "sgm", **said} if said else {}


def _facts(header: Header) -> dict[str, Any]:
    return dict(stated_facts(header))


def _save(
    context: NodeContext,
    prefix: str,
    entries: Mapping[str, Entry],
    notes: Mapping[str, str],
    facts: Mapping[str, Any],
) -> SavedFile:
    from host.builtin_nodes.merging.tensor_files import write_tensors

    stated = {CONFIG_METADATA: json.dumps(facts, sort_keys=True)} if facts else {}
    place = context.folders.place(prefix)
    title = {"modelspec.title": place.stem} if "modelspec.sai_model_spec" in notes else {}
    metadata = {**notes, **title, **stated}

    def told(written: int, total: int) -> None:
        context.progress(written, total)

    return save_numbered(place, lambda file: write_tensors(file, entries, metadata, told), suffix=_SUFFIX)


def _tell(lost: str | None, context: NodeContext) -> None:
    if lost:
        context.logger.warning("%s", lost)
        context.text(lost)


def _shown(saved: Iterable[SavedFile]) -> NodeResult:
    return NodeResult(ui={"models": [file.shown() for file in saved]})


@hookimpl
def register_nodes() -> Iterable[NodeType]:
    """Nodes that save models."""
    return [checkpoint_save, model_save, clip_save, vae_save]

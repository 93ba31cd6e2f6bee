"""``comfy.sd``: models from files, and files of changes to them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum
from pathlib import Path
from typing import Any

from host.comfyui.handles import to_packs
from host.comfyui.running import node_context
from host.comfyui.surface.held_models import CLIP, VAE, Model, handle_of
from host.comfyui.surface.tensor_files import file_of
from sdk.errors import NodeError

__all__ = [
    "CLIP",
    "VAE",
    "CLIPType",
    "load_checkpoint_guess_config",
    "load_clip",
    "load_diffusion_model",
    "load_lora_for_models",
    "load_unet",
]

_PLACES = ("first", "second", "third")


class CLIPType(Enum):
    """Models that text encoders are loaded for."""

    STABLE_DIFFUSION = 1
    STABLE_CASCADE = 2
    SD3 = 3
    STABLE_AUDIO = 4
    HUNYUAN_DIT = 5
    FLUX = 6
    MOCHI = 7
    LTXV = 8
    HUNYUAN_VIDEO = 9
    PIXART = 10
    COSMOS = 11
    LUMINA2 = 12
    WAN = 13
    HIDREAM = 14
    CHROMA = 15
    ACE = 16
    OMNIGEN2 = 17
    QWEN_IMAGE = 18
    HUNYUAN_IMAGE = 19


def load_checkpoint_guess_config(
    ckpt_path: str | Path,
    output_vae: bool = True,
    output_clip: bool = True,
    output_clipvision: bool = False,
    embedding_directory: Any = None,
    output_model: bool = True,
    model_options: Mapping[str, Any] | None = None,
    te_model_options: Mapping[str, Any] | None = None,
) -> tuple[Any, Any, Any, Any]:
    """(model, text encoder, VAE, image encoder) of a checkpoint; None for those that are not wanted.

    A text encoder or VAE that is not in it raises NodeError where it is used; an image encoder is None. Embeddings are
    those of the host's folder for them; options have no effect.

    Raises:
        NodeError: the model is wanted and not in the file.
    """
    from host.builtin_nodes.loaders.files import part_of, part_or_absent

    context, path = node_context("load_checkpoint_guess_config"), Path(ckpt_path)
    parts = context.models.open(path)
    wanted = {
        "model": part_of(parts, "denoiser", path.name) if output_model else None,
        "clip": part_or_absent(parts, "text_encoder", path.name) if output_clip else None,
        "vae": part_or_absent(parts, "vae", path.name) if output_vae else None,
        "vision": parts.get("clip_vision") if output_clipvision else None,
    }
    found = to_packs(wanted)
    return found["model"], found["clip"], found["vae"], found["vision"]


def load_diffusion_model(unet_path: str | Path, model_options: Mapping[str, Any] | None = None) -> Model:
    """The denoising network in a file of its own; options have no effect."""
    from host.builtin_nodes.loaders.files import part_of

    context = node_context("load_diffusion_model")
    path = Path(unet_path)
    return Model(part_of(context.models.open(path), "denoiser", path.name))


def load_unet(unet_path: str | Path, dtype: Any = None) -> Model:
    """See ``load_diffusion_model``."""
    return load_diffusion_model(unet_path)


def load_clip(
    ckpt_paths: Sequence[str | Path],
    embedding_directory: Any = None,
    clip_type: CLIPType = CLIPType.STABLE_DIFFUSION,
    model_options: Mapping[str, Any] | None = None,
) -> CLIP:
    """The text encoder that up to three files make together.

    Raises:
        NodeError: encoders for that model are not known here.
    """
    from host.builtin_nodes.families.text_encoders.kinds import USE_FACT, USES
    from host.builtin_nodes.loaders.text_encoders import UnknownUse

    context = node_context("load_clip")
    use = clip_type.name.lower()
    use = "sdxl" if use == "stable_diffusion" and len(ckpt_paths) == 2 else use
    if use not in USES:
        raise UnknownUse(use)
    files = {place: Path(path) for place, path in zip(_PLACES, ckpt_paths, strict=False)}
    return CLIP(context.models.open_together(files, {USE_FACT: use})["text_encoder"])


def load_lora_for_models(
    model: Any, clip: Any, lora: Mapping[str, Any], strength_model: float, strength_clip: float
) -> tuple[Any, Any]:
    """(model, text encoder) with the changes of a LoRA or the like, and its embeddings; what is None stays None.

    Args:
        lora: its tensors, best as ``comfy.utils.load_torch_file`` gave them: others are written to a file first.

    Raises:
        NodeError: nothing in it fits the model or the text encoder.
    """
    from host.builtin_nodes.families.interface import with_changes
    from host.builtin_nodes.text.bundled_embeddings import bundled_name, read_bundle, with_bundle

    context = node_context("load_lora_for_models")
    given = {"model": (model, strength_model), "clip": (clip, strength_clip)}
    handles = {name: handle_of(held, "A LoRA") for name, (held, _) in given.items() if held is not None}
    path = file_of(lora, context)
    patches = dict(zip(handles, context.models.read_patches(path, list(handles.values())), strict=True))
    embeddings = [key for key in patches["clip"].unmatched if bundled_name(key)] if "clip" in patches else []
    if not embeddings and not any(patch.deltas for patch in patches.values()):
        raise NodeError(f"Nothing in {path.name} fits the model or its text encoder. Choose one made for this model.")
    changed = {
        name: with_changes(handle, patches[name], given[name][1]) if given[name][1] and patches[name].deltas else handle
        for name, handle in handles.items()
    }
    if embeddings:
        changed["clip"] = with_bundle(changed["clip"], read_bundle(path, embeddings))
    found = to_packs(changed)
    return found.get("model"), found.get("clip")

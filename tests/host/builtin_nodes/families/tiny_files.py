"""Checkpoints small enough for tests, in the layout of the real ones, with random weights."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from host.builtin_nodes.families.kl_vae.config import KlVaeConfig
from host.builtin_nodes.families.kl_vae.module import build_vae
from host.builtin_nodes.families.kl_vae.names import module_names
from host.builtin_nodes.families.ldm_unet.config import UnetConfig
from host.builtin_nodes.families.ldm_unet.module import build_unet
from host.builtin_nodes.families.ldm_unet.names import original_names
from sdk.models import CONFIG_METADATA
from tests.host.builtin_nodes.families.real_headers import real_files

Shapes = dict[str, tuple[int, ...]]

L_WIDTH, G_WIDTH = 32, 64
UNET_PREFIX, VAE_PREFIX = "model.diffusion_model.", "first_stage_model."
VAE = KlVaeConfig(latent_channels=4, channels=[32, 32, 32, 32], layers=2, quantised=True)
_VOCABULARY = 49_408


def sdxl_shapes() -> Shapes:
    """Stable Diffusion XL's base model."""
    unet = _unet([[0, 0], [1, 1], [2, 2]], context=L_WIDTH + G_WIDTH, vector=G_WIDTH + 6 * 256)
    return {
        **_checkpoint("sdxl_base", unet),
        **clip_l_shapes("conditioner.embedders.0.transformer.text_model."),
        **original_clip_shapes("conditioner.embedders.1.model."),
    }


def refiner_shapes() -> Shapes:
    """Stable Diffusion XL's refiner."""
    unet = _unet([[0, 0], [1, 1], [1, 1], [0, 0]], context=G_WIDTH, vector=G_WIDTH + 5 * 256)
    return {**_checkpoint("sdxl_refiner", unet), **original_clip_shapes("conditioner.embedders.0.model.")}


def sd2_shapes() -> Shapes:
    """Stable Diffusion 2."""
    unet = _unet([[1, 1], [1, 1], [1, 1], [0, 0]], context=G_WIDTH, vector=None)
    return {**_checkpoint("sd21_base", unet), **original_clip_shapes("cond_stage_model.model.")}


def unclip_shapes() -> Shapes:
    """Stable Diffusion 2.1 unCLIP."""
    time, vector = 64, f"{UNET_PREFIX}label_emb.0"
    return {
        **sd2_shapes(),
        f"{vector}.0.weight": (time, 2 * L_WIDTH),
        f"{vector}.0.bias": (time,),
        f"{vector}.2.weight": (time, time),
        f"{vector}.2.bias": (time,),
        **original_vision_shapes("embedder.model.visual."),
        "noise_augmentor.data_mean": (1, L_WIDTH),
        "noise_augmentor.data_std": (1, L_WIDTH),
    }


def original_vision_shapes(prefix: str, *, width: int = G_WIDTH, layers: int = 2, side: int = 2) -> Shapes:
    """A CLIP image encoder in the layout of OpenAI and OpenCLIP, for squares of ``side`` x 14 pixels."""
    shapes: Shapes = {
        "class_embedding": (width,),
        "conv1.weight": (width, 3, 14, 14),
        "positional_embedding": (side * side + 1, width),
        "proj": (width, L_WIDTH),
        **_vectors("ln_pre", width),
        **_vectors("ln_post", width),
    }
    below = "transformer."
    layered = original_clip_shapes("", width=width, layers=layers)
    shapes |= {name: shape for name, shape in layered.items() if name.startswith(below)}
    return {prefix + name: shape for name, shape in shapes.items()}


def clip_l_shapes(prefix: str, *, width: int = L_WIDTH, layers: int = 2) -> Shapes:
    """CLIP-L in transformers' layout."""
    linear = {f"self_attn.{name}_proj": (width, width) for name in ("q", "k", "v", "out")}
    linear |= {"mlp.fc1": (2 * width, width), "mlp.fc2": (width, 2 * width)}
    shapes: Shapes = {
        "embeddings.token_embedding.weight": (_VOCABULARY, width),
        "embeddings.position_embedding.weight": (77, width),
        **_vectors("final_layer_norm", width),
    }
    for layer in range(layers):
        place = f"encoder.layers.{layer}"
        for name, shape in linear.items():
            shapes |= {f"{place}.{name}.weight": shape, f"{place}.{name}.bias": shape[:1]}
        shapes |= _vectors(f"{place}.layer_norm1", width) | _vectors(f"{place}.layer_norm2", width)
    return {prefix + name: shape for name, shape in shapes.items()}


def original_clip_shapes(prefix: str, *, width: int = G_WIDTH, layers: int = 2, positions: int = 77) -> Shapes:
    """A CLIP text encoder in the layout of OpenAI and OpenCLIP."""
    shapes: Shapes = {
        "token_embedding.weight": (_VOCABULARY, width),
        "positional_embedding": (positions, width),
        "text_projection": (width, width),
        "logit_scale": (),
        **_vectors("ln_final", width),
    }
    linear = {"attn.out_proj": (width, width), "mlp.c_fc": (2 * width, width), "mlp.c_proj": (width, 2 * width)}
    for layer in range(layers):
        place = f"transformer.resblocks.{layer}"
        shapes |= {f"{place}.attn.in_proj_weight": (3 * width, width), f"{place}.attn.in_proj_bias": (3 * width,)}
        for name, shape in linear.items():
            shapes |= {f"{place}.{name}.weight": shape, f"{place}.{name}.bias": shape[:1]}
        shapes |= _vectors(f"{place}.ln_1", width) | _vectors(f"{place}.ln_2", width)
    return {prefix + name: shape for name, shape in shapes.items()}


def write_tiny(path: Path, shapes: Shapes, facts: Mapping[str, object] | None = None) -> Path:
    """A file with random tensors of these shapes; always the same ones."""
    generator = torch.Generator().manual_seed(0)
    tensors = {key: _weight(key, shape, generator) for key, shape in sorted(shapes.items())}
    facts = facts or {"unet.heads": 4, "clip_l.heads": 2, "clip_g.heads": 2, "clip_h.heads": 2}
    save_file(tensors, path, {CONFIG_METADATA: json.dumps(facts)})
    return path


def _weight(key: str, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    numbers = torch.randn(shape, generator=generator) * 0.1
    return numbers + 1 if len(shape) == 1 and key.endswith("weight") else numbers


def _vectors(place: str, width: int) -> Shapes:
    return {f"{place}.weight": (width,), f"{place}.bias": (width,)}


def _unet(depths: list[list[int]], *, context: int, vector: int | None) -> UnetConfig:
    return UnetConfig(
        in_channels=4,
        out_channels=4,
        channels=[32] * len(depths),
        down_depths=depths,
        up_depths=[[level[0]] * 3 for level in depths],
        middle_depth=max(depths[-1][0], 1),
        context_channels=context,
        heads=[4] * len(depths),
        model_channels=32,
        time_channels=64,
        linear_projections=True,
        vector_channels=vector,
    )


def _checkpoint(kind: str, unet: UnetConfig) -> Shapes:
    """UNet and autoencoder, with the keys that a real file of that kind would have for them."""
    real = real_files()[kind]["tensors"]
    with torch.device("meta"):
        modules = {UNET_PREFIX: build_unet(unet), VAE_PREFIX: build_vae(VAE)}
    shapes: Shapes = {}
    for (prefix, module), names in zip(modules.items(), (original_names, module_names), strict=True):
        present = module.state_dict()
        keys = names(key.removeprefix(prefix) for key in real if key.startswith(prefix))
        shapes |= {prefix + keys[name]: tuple(present[name].shape) for name in present}
    return shapes

"""Pictures of latents under way: quick ones from a family's factors, better ones from a tiny autoencoder."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Any

from sdk import Folders, ModelAccess, ModelHandle, Previewer, hookimpl

if TYPE_CHECKING:
    from host.builtin_nodes.families.interface import LatentFormat, VaeAdapter
    from host.builtin_nodes.families.rgb_factors import RgbFactors

FOLDER = "vae_approx"


@hookimpl
def choose_previewer(method: str, model: ModelHandle, models: ModelAccess, folders: Folders) -> Previewer | None:
    """``latent2rgb``: a weighted sum of the latent's channels, one pixel for each of its cells. ``taesd``: what the
    tiny decoder makes of it that belongs to the model's kind of latents and lies in ``models/vae_approx``."""
    if not hasattr(model.adapter, "latent_format"):
        return None
    from host.builtin_nodes.families.sampled_model import latent_format_of

    latent_format = latent_format_of(model)
    if method == "latent2rgb":
        return None if latent_format.rgb is None else partial(weighted_sum, latent_format.rgb)
    return _decoder(latent_format, models, folders) if method == "taesd" else None


def weighted_sum(factors: RgbFactors, latent: Any) -> Any:
    """A Pillow image of the first latent of a batch, in its own resolution.

    Args:
        latent: tensor [batch, channel, height, width] in the network's space; of one with frames, [batch, channel,
            frame, height, width], the first frame is shown.
    """
    import torch

    first = _first(latent)[0].float().cpu()
    rows, bias = torch.tensor(factors.rows), torch.tensor(factors.bias)
    return _picture((torch.einsum("chw,cr->hwr", first, rows) + bias + 1) / 2)


def decoded(module: Any, adapter: VaeAdapter, latent_format: LatentFormat, latent: Any) -> Any:
    """A Pillow image of the first latent of a batch, ``downscale`` times as large."""
    return _picture(adapter.decode(module, latent_format.from_model(_first(latent).float()))[0])


def _decoder(latent_format: LatentFormat, models: ModelAccess, folders: Folders) -> Previewer | None:
    """A decoder of its own: pictures are made while somebody else has the manager's models."""
    name = _decoder_name(latent_format, folders)
    if name is None:
        return None
    from host.builtin_nodes.families.taesd.layout import TinyVaeLayout
    from host.builtin_nodes.families.taesd.module import build_tiny_vae

    handle = models.open(folders.find(FOLDER, name))["vae"]
    own = build_tiny_vae(TinyVaeLayout(**handle.identity.config["layout"]))
    with models.borrow(handle) as module:
        own.load_state_dict(module.state_dict())
    return partial(decoded, own.to(models.device(handle)), handle.adapter, latent_format)


def _decoder_name(latent_format: LatentFormat, folders: Folders) -> str | None:
    from host.builtin_nodes.families.taesd.layout import SCALES

    wanted = (latent_format.scale, latent_format.shift)
    for name in folders.names(FOLDER):
        file = name.rpartition("/")[2].lower()
        if "encoder" not in file and SCALES.get(re.sub(r"[^a-z0-9].*", "", file)) == wanted:
            return name
    return None


def _first(latent: Any) -> Any:
    """[1, channel, height, width]"""
    return latent[:1] if latent.ndim == 4 else latent[:1, :, 0]


def _picture(pixels: Any) -> Any:
    """A Pillow image of pixels [height, width, 3], about 0..1."""
    import torch
    from PIL import Image

    return Image.fromarray(pixels.clamp(0, 1).mul(255).round().to(torch.uint8).cpu().numpy())

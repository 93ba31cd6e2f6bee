"""Nodes between images and latents."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

from host.builtin_nodes.working_memory import decoder_bytes, encoder_bytes
from sdk import Image, Latent, Mask, NodeContext, NodeError, NodeType, Range, Vae, hookimpl, node

TemporalSize = Annotated[int, Range(8, 4096, 4)]
TemporalOverlap = Annotated[int, Range(4, 4096, 4)]
Overlap = Annotated[int, Range(0, 4096, 32)]

_TILE_PER_OVERLAP = 4
"""When decoding, a tile is at least so many times as long as its overlap."""


@node(id="VAEDecode", title="VAE Decode", category="latent", output_tooltips=("The images.",))
def vae_decode(samples: Latent, vae: Vae, context: NodeContext) -> Image:
    """Turn a latent into images; in tiles where the whole doesn't fit into memory.

    Args:
        samples: The latent.
        vae: The autoencoder.
    """
    from host.builtin_nodes.vae.fallback import decode

    latents = samples["samples"]
    with context.models.borrow(vae, working_bytes=decoder_bytes(vae, latents.shape)) as module:
        return decode(vae.adapter, module, latents)


@node(id="VAEEncode", title="VAE Encode", category="latent", output_tooltips=("The latent.",))
def vae_encode(pixels: Image, vae: Vae, context: NodeContext) -> Latent:
    """Turn images into a latent; in tiles where the whole doesn't fit into memory.

    Args:
        pixels: The images; sides that are no multiple of the VAE's cell are cropped.
        vae: The autoencoder.
    """
    from host.builtin_nodes.vae.fallback import encode

    with context.models.borrow(vae, working_bytes=encoder_bytes(vae, pixels.shape)) as module:
        return {"samples": encode(vae.adapter, module, pixels)}


@node(id="VAEDecodeTiled", title="VAE Decode (Tiled)", category="_for_testing", output_tooltips=("The images.",))
def vae_decode_tiled(
    samples: Latent,
    vae: Vae,
    context: NodeContext,
    tile_size: Annotated[int, Range(64, 4096, 32)] = 512,
    overlap: Overlap = 64,
    temporal_size: TemporalSize = 64,
    temporal_overlap: TemporalOverlap = 8,
) -> Image:
    """Turn a latent into images tile by tile, where the whole would not fit into memory.

    Args:
        samples: The latent.
        vae: The autoencoder.
        tile_size: Side of a tile, in pixels.
        overlap: Pixels that neighbouring tiles share; they fade into each other there.
        temporal_size: For video VAEs: frames decoded at once.
        temporal_overlap: For video VAEs: frames that neighbouring pieces share.
    """
    cell = vae.adapter.downscale
    overlap = min(overlap, tile_size // _TILE_PER_OVERLAP)
    tile_shape = (1, 0, tile_size // cell, tile_size // cell)
    with context.models.borrow(vae, working_bytes=decoder_bytes(vae, tile_shape)) as module:
        return vae.adapter.decode_tiled(module, samples["samples"], tile=tile_size // cell, overlap=overlap // cell)


@node(id="VAEEncodeTiled", title="VAE Encode (Tiled)", category="_for_testing", output_tooltips=("The latent.",))
def vae_encode_tiled(
    pixels: Image,
    vae: Vae,
    context: NodeContext,
    tile_size: Annotated[int, Range(64, 4096, 64)] = 512,
    overlap: Overlap = 64,
    temporal_size: TemporalSize = 64,
    temporal_overlap: TemporalOverlap = 8,
) -> Latent:
    """Turn images into a latent tile by tile, where the whole would not fit into memory.

    Args:
        pixels: The images; sides that are no multiple of the VAE's cell are cropped.
        vae: The autoencoder.
        tile_size: Side of a tile, in pixels.
        overlap: Pixels that neighbouring tiles share; they fade into each other there.
        temporal_size: For video VAEs: frames encoded at once.
        temporal_overlap: For video VAEs: frames that neighbouring pieces share.
    """
    if 2 * overlap >= tile_size:
        raise NodeError(
            f"An overlap of {overlap} is too much for tiles of {tile_size}: it must be less than half of that."
        )
    tile_shape = (1, tile_size, tile_size, 0)
    with context.models.borrow(vae, working_bytes=encoder_bytes(vae, tile_shape)) as module:
        return {"samples": vae.adapter.encode_tiled(module, pixels, tile=tile_size, overlap=overlap)}


@node(
    id="VAEEncodeForInpaint",
    title="VAE Encode (for Inpainting)",
    category="latent/inpaint",
    output_tooltips=("The latent, with the mask of what is to be painted.",),
)
def vae_encode_for_inpaint(
    pixels: Image, vae: Vae, mask: Mask, context: NodeContext, grow_mask_by: Annotated[int, Range(0, 64, 1)] = 6
) -> Latent:
    """Turn images with a hole into a latent whose hole is to be painted anew.

    For models made for inpainting, or to be sampled with full noise: nothing of the old content remains in the hole.

    Args:
        pixels: The images; sides that are no multiple of the VAE's cell are cropped.
        vae: The autoencoder.
        mask: 1 where to paint; values between are rounded. Resized to the images.
        grow_mask_by: The painted area is larger than the hole by half of so many pixels, so that seams blend.
    """
    from host.builtin_nodes.images import inpainting
    from host.builtin_nodes.vae.fallback import encode

    cell = vae.adapter.downscale
    pixels, hole = inpainting.cropped_to_cells(pixels, inpainting.resized_mask(mask, pixels), cell)
    with context.models.borrow(vae, working_bytes=encoder_bytes(vae, pixels.shape)) as module:
        samples = encode(vae.adapter, module, inpainting.with_grey_hole(pixels, hole))
    return {"samples": samples, "noise_mask": inpainting.grown_hole(hole, grow_mask_by)}


@hookimpl
def register_nodes() -> Iterable[NodeType]:
    """Nodes between images and latents."""
    return [vae_decode, vae_encode, vae_decode_tiled, vae_encode_tiled, vae_encode_for_inpaint]

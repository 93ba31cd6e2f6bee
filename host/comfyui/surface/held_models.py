"""The MODEL, CLIP, VAE and CLIP_VISION objects that packs get and pass on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from host.comfyui.handles import Held, to_pack
from host.comfyui.running import node_context
from host.comfyui.surface.held_denoiser import Model
from host.comfyui.surface.tensor_files import file_of
from host.comfyui.surface.token_lists import from_lists, to_lists
from sdk.errors import NodeError
from sdk.models import ModelHandle

if TYPE_CHECKING:
    import torch
    from torch import Tensor

__all__ = ["CLIP", "KINDS", "VAE", "ClipVisionModel", "Model"]


class CLIP(Held):
    """A text encoder."""

    KIND = "CLIP"

    def clone(self) -> CLIP:
        """The same: a choice of layer never changes an encoder in place."""
        return CLIP(self.handle)

    def clip_layer(self, layer_idx: int) -> None:
        """Use the states of another layer from now on, counted from the end."""
        self._handle = self.handle.with_options(stop_at_layer=layer_idx)

    def tokenize(self, text: str, return_word_ids: bool = False, **options: Any) -> dict[str, list[Any]]:
        """By encoder (``l``, ``g``, ``t5xxl`` …) its chunks: lists of (token, weight), or (token, weight, word).

        Options of single encoders have no effect.
        """
        from host.builtin_nodes.text.bundled_embeddings import embeddings_for
        from host.builtin_nodes.text.errors import TextError

        try:
            tokens = self.handle.adapter.tokenize(text, embeddings_for(self.handle, self.context.folders))
        except TextError as error:
            raise NodeError(str(error)) from error
        return to_lists(tokens, self.handle.adapter, with_words=return_word_ids)

    def encode_from_tokens(
        self, tokens: Mapping[str, list[Any]], return_pooled: bool | str = False, return_dict: bool = False
    ) -> Any:
        """States [1, length, width]; both with ``return_pooled``, by name with ``return_dict``.

        Raises NodeError for ``return_pooled="unprojected"``.
        """
        if return_pooled == "unprojected":
            raise NodeError("A text encoder's vector without its projection is not offered to packs here.")
        adapter = self.handle.adapter
        with self.context.models.borrow(self.handle) as module:
            encoded = adapter.encode(module, from_lists(tokens, adapter), self.handle.options)
        if return_dict:
            return {"cond": encoded.states, "pooled_output": encoded.pooled}
        return (encoded.states, encoded.pooled) if return_pooled else encoded.states

    def encode_from_tokens_scheduled(
        self, tokens: Mapping[str, list[Any]], unprojected: bool = False, add_dict: Mapping[str, Any] | None = None
    ) -> list[list[Any]]:
        """Conditioning: one entry, with ``add_dict`` among its options."""
        states, pooled = self.encode_from_tokens(tokens, return_pooled="unprojected" if unprojected else True)
        return [[states, {"pooled_output": pooled, **(add_dict or {})}]]

    def encode(self, text: str) -> Any:
        """States of a prompt."""
        return self.encode_from_tokens(self.tokenize(text))


class VAE(Held):
    """An autoencoder between images and latents.

    Args:
        sd: its handle, or the tensors of its file as ``comfy.utils.load_torch_file`` gives them.
        metadata, device, config, dtype: have no effect; the host knows them from the file.

    Raises:
        NodeError: there is no autoencoder among the tensors.
    """

    KIND = "VAE"

    def __init__(
        self,
        sd: ModelHandle | Mapping[str, Any],
        device: Any = None,
        config: Any = None,
        dtype: Any = None,
        metadata: Any = None,
    ) -> None:
        if isinstance(sd, ModelHandle):
            super().__init__(sd)
            return
        from host.builtin_nodes.loaders.files import part_of

        running_in = node_context("comfy.sd.VAE")
        path = file_of(sd, running_in)
        super().__init__(part_of(running_in.models.open(path), "vae", path.name))

    def throw_exception_if_invalid(self) -> None:
        """Nothing: a file without an autoencoder is refused at once."""

    @property
    def latent_channels(self) -> int:
        return int(self.handle.adapter.latent_channels)

    @property
    def downscale_ratio(self) -> int:
        """Pixels for one cell of a latent, along each side."""
        return int(self.handle.adapter.downscale)

    upscale_ratio = downscale_ratio

    @property
    def device(self) -> torch.device:
        device: torch.device = self.context.models.device(self.handle)
        return device

    @property
    def output_device(self) -> torch.device:
        import torch

        return torch.device("cpu")

    def spacial_compression_encode(self) -> int:
        return self.downscale_ratio

    def spacial_compression_decode(self) -> int:
        return self.downscale_ratio

    def temporal_compression_decode(self) -> None:
        """None: pictures have no frames."""

    def decode(self, samples_in: Tensor, vae_options: Mapping[str, Any] | None = None) -> Tensor:
        """Images [batch, height, width, 3] in 0..1 of latents, in tiles where memory runs out."""
        from host.builtin_nodes.vae.fallback import decode
        from host.builtin_nodes.working_memory import decoder_bytes

        needed = decoder_bytes(self.handle, samples_in.shape)
        with self.context.models.borrow(self.handle, working_bytes=needed) as module:
            return decode(self.handle.adapter, module, samples_in)

    def encode(self, pixel_samples: Tensor) -> Tensor:
        """Latents of images [batch, height, width, channel] in 0..1, in tiles where memory runs out."""
        from host.builtin_nodes.vae.fallback import encode
        from host.builtin_nodes.working_memory import encoder_bytes

        needed = encoder_bytes(self.handle, pixel_samples.shape)
        with self.context.models.borrow(self.handle, working_bytes=needed) as module:
            return encode(self.handle.adapter, module, pixel_samples)

    def decode_tiled(
        self,
        samples: Tensor,
        tile_x: int | None = None,
        tile_y: int | None = None,
        overlap: int | None = None,
        **_frames: Any,
    ) -> Tensor:
        """``decode`` in square tiles, whose side (64) and overlap (16) are counted in cells of the latent."""
        from host.builtin_nodes.working_memory import decoder_bytes

        adapter, tile = self.handle.adapter, _side(tile_x, tile_y, 64)
        overlap = 16 if overlap is None else overlap
        needed = decoder_bytes(self.handle, (1, 0, tile, tile))
        with self.context.models.borrow(self.handle, working_bytes=needed) as module:
            images: Tensor = adapter.decode_tiled(module, samples, tile=tile, overlap=overlap)
        return images

    def encode_tiled(
        self,
        pixel_samples: Tensor,
        tile_x: int | None = None,
        tile_y: int | None = None,
        overlap: int | None = None,
        **_frames: Any,
    ) -> Tensor:
        """``encode`` in square tiles, whose side (512) and overlap (64) are counted in pixels."""
        from host.builtin_nodes.working_memory import encoder_bytes

        adapter, tile = self.handle.adapter, _side(tile_x, tile_y, 512)
        overlap = 64 if overlap is None else overlap
        needed = encoder_bytes(self.handle, (1, tile, tile, 0))
        with self.context.models.borrow(self.handle, working_bytes=needed) as module:
            latents: Tensor = adapter.encode_tiled(module, pixel_samples, tile=tile, overlap=overlap)
        return latents


def _side(x: int | None, y: int | None, usual: int) -> int:
    """The side of square tiles: the shorter one that was asked for."""
    return min((side for side in (x, y) if side is not None), default=usual)


class ClipVisionModel(Held):
    """An image encoder."""

    KIND = "CLIP_VISION"

    def encode_image(self, image: Tensor, crop: bool = True) -> Any:
        """What it says of images [batch, height, width, channel]: ``last_hidden_state``, ``image_embeds`` …

        Args:
            crop: cut the images to a square around their centre, instead of squeezing them into one.
        """
        with self.context.models.borrow(self.handle) as module:
            return to_pack(self.handle.adapter.encode(module, image, crop=crop))


KINDS: Mapping[str, type[Held]] = {
    "denoiser": Model,
    "text_encoder": CLIP,
    "vae": VAE,
    "clip_vision": ClipVisionModel,
}
"""By the part of a file that the handle is of."""


def handle_of(value: Any, what: str) -> ModelHandle:
    """The handle of an object that a pack hands in.

    Raises:
        NodeError: it is no such object, for instance a model that the pack built itself.
    """
    if isinstance(value, ModelHandle):
        return value
    if isinstance(value, Held):
        return value.handle
    raise NodeError(
        f"{what} needs a model that came from one of the host's loaders, and was given {type(value).__name__}. Load "
        "the model with such a node, or with comfy.sd.load_checkpoint_guess_config."
    )

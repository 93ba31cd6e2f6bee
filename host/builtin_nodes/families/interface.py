"""What built-in nodes ask of a family: the adapters that go with its modules.

An adapter is a plain object without weights; it gets the module as an argument while a node has it borrowed.
Tensors come in on any device and in any dtype and are moved to the module's; what goes out is named below.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import Module

    from host.builtin_nodes.families.rgb_factors import RgbFactors
    from host.builtin_nodes.sampling.parametrisation import Parametrisation
    from host.builtin_nodes.text.clip_tokens import Embeddings
    from host.builtin_nodes.text.weighting import EncodedPrompt
    from sdk import ModelHandle, PatchSet


RUN_SEED = "run_seed"
"""The run's seed among the options that ``DenoiserAdapter.inputs`` gets, for inputs that have noise of their own."""


@dataclass(frozen=True, kw_only=True)
class LatentFormat:
    """How a denoiser's latents differ from the VAE's: ``model = (vae - shift) * scale``.

    Attributes:
        channels: of the latent that is sampled, without further inputs of the network.
        downscale: image pixels for one latent cell, along each side.
        dimensions: of the latent with its batch: 4 for pictures, 5 for videos.
        rgb: for quick previews; None where nobody has fitted any.
    """

    channels: int
    scale: float = 1.0
    shift: float = 0.0
    downscale: int = 8
    dimensions: int = 4
    rgb: RgbFactors | None = None

    def to_model(self, latent: Tensor) -> Tensor:
        """A latent as the VAE makes it, as the network wants it."""
        return (latent - self.shift) * self.scale

    def from_model(self, latent: Tensor) -> Tensor:
        """The reverse of ``to_model``."""
        return latent / self.scale + self.shift


class DenoiserAdapter(Protocol):
    """How to call a denoising network."""

    @property
    def parametrisation(self) -> Parametrisation: ...

    @property
    def latent_format(self) -> LatentFormat: ...

    def inputs(self, options: Mapping[str, Any], latent: Tensor, mask: Tensor | None) -> dict[str, Tensor]:
        """What the network takes beside sample, timestep and context, as arguments of ``forward``.

        Asked once per run for each conditioning entry; each tensor is [1 or batch, …]. Where an input depends on the
        side that a prompt is on, ``negative vector`` takes the place of ``vector`` on every side but the positive.

        Args:
            options: of the conditioning entry (``pooled_output``, ``concat_latent_image`` …), and ``RUN_SEED``.
            latent: the run's start latent [batch, channel, height, width], in the network's space.
            mask: the run's noise mask in any resolution, 1 where it repaints; None without one.
        """

    def forward(self, module: Module, x: Tensor, timestep: Tensor, context: Tensor, **inputs: Any) -> Tensor:
        """The network's raw output.

        Args:
            x: [batch, channel, height, width], already scaled for the network.
            timestep: [batch], as ``parametrisation.timestep`` gives it.
            context: the prompts' states [batch, length, width].
            inputs: from ``inputs``, repeated to the batch; and, where there are any, ``control``, residuals of
                control networks, ``patches``, a ``PatchedCall``, and, for adapters that say ``takes_boxes``, ``boxes``,
                a ``LiveGrounding``.
        """


@runtime_checkable
class ChangingAdapter(Protocol):
    """An adapter whose network changes more than its weights with some patches: what it takes, for instance."""

    def changed_by(self, patches: PatchSet, strength: float) -> tuple[Any, PatchSet]:
        """(the adapter for the network with these patches, the patches as they fit the network's weights)."""


def with_changes(handle: ModelHandle, patches: PatchSet, strength: float) -> ModelHandle:
    """The handle with a file's patches, and with what they change beside the weights."""
    if isinstance(handle.adapter, ChangingAdapter):
        adapter, patches = handle.adapter.changed_by(patches, strength)
        handle = replace(handle, adapter=adapter)
    return handle.with_patches(patches, strength)


@runtime_checkable
class WideningAdapter(Protocol):
    """An adapter whose network takes more inputs than its file's layers."""

    @property
    def further_columns(self) -> Mapping[str, Tensor]:
        """The columns [outputs, inputs] behind those of layers, by the original's names of their weights."""


class VaeAdapter(Protocol):
    """How to go from images to latents and back. Results are float32 on the CPU."""

    @property
    def latent_channels(self) -> int: ...

    @property
    def downscale(self) -> int: ...

    def encode(self, module: Module, pixels: Tensor) -> Tensor:
        """Latents [batch, channel, height / downscale, width / downscale] of images in 0..1.

        Images are [batch, height, width, channel]; channels beyond the third are left out. Sides that are no
        multiple of ``downscale`` are cropped around the centre.
        """

    def decode(self, module: Module, latents: Tensor) -> Tensor:
        """Images [batch, height, width, 3] in 0..1."""

    def encode_tiled(self, module: Module, pixels: Tensor, *, tile: int, overlap: int) -> Tensor:
        """``encode`` in tiles with feathered overlaps, both in pixels."""

    def decode_tiled(self, module: Module, latents: Tensor, *, tile: int, overlap: int) -> Tensor:
        """``decode`` in tiles with feathered overlaps, both in latent cells."""


class TextAdapter(Protocol):
    """How to turn prompts into what the denoiser is conditioned on."""

    def tokenize(self, prompt: str, embeddings: Embeddings | None = None) -> Any:
        """The prompt in the form ``encode`` takes."""

    def encode(self, module: Module, tokens: Any, options: Mapping[str, Any]) -> EncodedPrompt:
        """States and pooled vector, float32 on the CPU.

        Args:
            options: those of the handle: ``stop_at_layer`` (-1 the last, -2 the one before …).
        """

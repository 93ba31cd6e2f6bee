"""The node that says which part of a latent is sampled."""

from __future__ import annotations

from collections.abc import Iterable

from sdk import Latent, Mask, NodeType, hookimpl, node


@node(
    id="SetLatentNoiseMask",
    title="Set Latent Noise Mask",
    category="latent/inpaint",
    output_tooltips=("The latent with its mask.",),
)
def set_latent_noise_mask(samples: Latent, mask: Mask) -> Latent:
    """Let a sampler change only a part of a latent.

    Args:
        samples: The latent.
        mask: 1 where the sampler may paint; of any size.
    """
    return {**samples, "noise_mask": mask.reshape(-1, 1, *mask.shape[-2:])}


@hookimpl
def register_nodes() -> Iterable[NodeType]:
    """The node for noise masks."""
    return [set_latent_noise_mask]

"""Nodes that join, split and repeat batches of latents."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Any, Literal

from host.builtin_nodes.batching import selection
from sdk import Latent, NodeType, Range, TypedCombo, hookimpl, node

if TYPE_CHECKING:
    from torch import Tensor


def _indices(samples: dict[str, Any]) -> list[int]:
    """Whose noise each item gets: as the latent says, or one after another."""
    return list(samples.get("batch_index", range(len(samples["samples"]))))


@node(id="LatentBatch", category="latent/batch", output_tooltips=("All latents as one batch.",))
def latent_batch(samples1: Latent, samples2: Latent) -> Latent:
    """Put two batches of latents into one; each item keeps its noise.

    Args:
        samples1: The latents that come first; they decide the size.
        samples2: The latents that follow, resized and cut to that size.
    """
    import torch

    from host.builtin_nodes.images.scaling import scale
    from host.builtin_nodes.latents.scaling import refuse_other_kinds

    first, second = samples1["samples"], samples2["samples"]
    if first.shape[1:] != second.shape[1:]:
        refuse_other_kinds(second, first)
        second = scale(second, first.shape[-1], first.shape[-2], "bilinear", "center")
    indices = _indices(samples1) + _indices(samples2)
    return {**samples1, "samples": torch.cat((first, second)), "batch_index": indices}


@node(
    id="LatentFromBatch",
    title="Latent From Batch",
    category="latent/batch",
    output_tooltips=("The chosen latents.",),
)
def latent_from_batch(
    samples: Latent, batch_index: Annotated[int, Range(0, 63)] = 0, length: Annotated[int, Range(1, 64)] = 1
) -> Latent:
    """Some latents of a batch; each keeps the noise that it has in the batch.

    Args:
        samples: The batch.
        batch_index: Place of the first one, counted from 0. Beyond the end means the last one.
        length: How many; fewer where the batch ends.
    """
    latents = samples["samples"]
    chosen = selection(len(latents), batch_index, length)
    result = {**samples, "samples": latents[chosen].clone(), "batch_index": _indices(samples)[chosen]}
    if "noise_mask" in samples:
        mask = samples["noise_mask"]
        result["noise_mask"] = mask if len(mask) == 1 else _repeated(mask, len(latents))[chosen].clone()
    return result


def _repeated(mask: Tensor, count: int) -> Tensor:
    """At least [count, ..., height, width]; a mask [batch, height, width] counts as one item of many channels."""
    if len(mask) >= count:
        return mask
    return mask.repeat(-(-count // len(mask)), 1, 1, 1)[:count]


@node(
    id="RepeatLatentBatch",
    title="Repeat Latent Batch",
    category="latent/batch",
    output_tooltips=("The longer batch.",),
)
def repeat_latent_batch(samples: Latent, amount: Annotated[int, Range(1, 64)] = 1) -> Latent:
    """A batch of latents several times in a row; every item gets noise of its own.

    Args:
        samples: The batch.
        amount: How many times.
    """
    latents = samples["samples"]
    result = {**samples, "samples": latents.repeat(amount, *[1] * (latents.ndim - 1))}
    if "noise_mask" in samples and len(samples["noise_mask"]) > 1:
        mask = samples["noise_mask"]
        result["noise_mask"] = mask.repeat(amount, *[1] * (mask.ndim - 1))
    if "batch_index" in samples:
        indices = _indices(samples)
        step = max(indices) - min(indices) + 1
        result["batch_index"] = [index + step * turn for turn in range(amount) for index in indices]
    return result


@node(
    id="LatentBatchSeedBehavior",
    category="latent/advanced",
    output_tooltips=("The latents, with the wanted noise.",),
)
def latent_batch_seed_behavior(
    samples: Latent, seed_behavior: Annotated[Literal["random", "fixed"], TypedCombo(multiselect=False)] = "fixed"
) -> Latent:
    """Whether the items of a batch start from different noise or all from the same.

    Args:
        samples: The batch.
        seed_behavior: Random gives each item its own noise, fixed gives all the noise of the first one.
    """
    result = {key: value for key, value in samples.items() if key != "batch_index"}
    if seed_behavior == "fixed":
        result["batch_index"] = _indices(samples)[:1] * len(samples["samples"])
    return result


@node(
    id="RebatchLatents",
    title="Rebatch Latents",
    category="latent/batch",
    output_tooltips=(
        "Batches of the wanted size; a smaller one where the size of the latents changes, and at the end.",
    ),
)
def rebatch_latents(latents: list[Latent], batch_size: Annotated[int, Range(1, 4096)] = 1) -> list[Latent]:
    """Cut one or more batches of latents into batches of another size; every item keeps its noise and its mask.

    Args:
        latents: The batches.
        batch_size: Latents in each new batch.
    """
    from host.builtin_nodes.latents import rebatching

    return rebatching.rebatched(latents, batch_size)


@hookimpl
def register_nodes() -> Iterable[NodeType]:
    """Nodes for batches of latents."""
    return [latent_batch, latent_from_batch, repeat_latent_batch, latent_batch_seed_behavior, rebatch_latents]

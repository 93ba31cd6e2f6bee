"""Batches of latents cut into batches of another size."""

# ruff: noqa: TID253 - imported inside node bodies, never on the start-up path

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from host.builtin_nodes.batching import cycled
from sdk import NodeError

_CELL = 8  # pixels of a mask for one cell of a latent


@dataclass(frozen=True)
class Item:
    """One latent of a batch: [1, channel, ..., height, width], its mask [1, 1, height, width] or None, its noise."""

    sample: Tensor
    mask: Tensor | None
    index: int


def rebatched(latents: Iterable[dict[str, Any]], size: int) -> list[dict[str, Any]]:
    """Batches of at most ``size`` latents of one shape each, in order.

    Without ``batch_index``, items count on over all batches given. A batch has a ``noise_mask`` if an item has.
    """
    found = []
    for _, group in groupby(_items(latents), key=lambda item: item.sample.shape):
        alike = list(group)
        found += [_joined(alike[start : start + size]) for start in range(0, len(alike), size)]
    return found


def _items(latents: Iterable[dict[str, Any]]) -> Iterator[Item]:
    passed = 0
    for latent in latents:
        samples = latent["samples"]
        count = len(samples)
        if not count:
            continue
        indices = latent.get("batch_index", range(passed, passed + count))
        masks = _masks(latent["noise_mask"], samples) if "noise_mask" in latent else [None] * count
        if len(indices) != count:
            raise NodeError(
                f"A latent of {count} items says for {len(indices)} which noise is theirs (`batch_index`): "
                "set it anew with LatentBatchSeedBehavior."
            )
        yield from (Item(*parts) for parts in zip(samples.split(1), masks, indices, strict=True))
        passed += count


def _masks(mask: Tensor, samples: Tensor) -> Iterable[Tensor]:
    size = tuple(side * _CELL for side in samples.shape[-2:])
    mask = mask.reshape(-1, 1, *mask.shape[-2:])
    resized = mask if mask.shape[-2:] == size else interpolate(mask, size=size, mode="bilinear")
    return cycled(resized, len(samples)).split(1)


def _joined(items: list[Item]) -> dict[str, Any]:
    samples = torch.cat([item.sample for item in items])
    result: dict[str, Any] = {"samples": samples, "batch_index": [item.index for item in items]}
    if any(item.mask is not None and bool((item.mask != 1).any()) for item in items):
        everywhere = torch.ones(1, 1, *(side * _CELL for side in samples.shape[-2:]))
        result["noise_mask"] = torch.cat([everywhere if item.mask is None else item.mask for item in items])
    return result

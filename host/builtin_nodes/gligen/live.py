"""Boxes at work in a UNet, for the length of a run."""

# ruff: noqa: TID253 - imported inside node bodies, never on the start-up path
from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import torch
from torch import Tensor

from host.builtin_nodes.families.ldm_unet.blocks import input_blocks, middle_blocks, output_blocks
from host.builtin_nodes.gligen.grounding import GROUNDING, MOST_BOXES, Grounding
from host.builtin_nodes.sampling.entries import BOXES
from host.builtin_nodes.sampling.errors import UnsupportedConditioning
from sdk import ModelHandle

Borrow = Callable[[ModelHandle], Any]
"""A handle's module, on its device for as long as the run lasts."""


@dataclass(eq=False)
class LiveGrounding:
    """A prompt's boxes with their network, borrowed when they are first looked at."""

    grounding: Grounding
    borrow: Borrow

    @cached_property
    def module(self) -> Any:
        """The network's layers."""
        return self.borrow(self.grounding.network)

    def tokens(self, height: int, width: int) -> Tensor:
        """Tokens [1, 30, width] for a latent of so many cells; where there is no box they are the network's filler."""
        weight = next(self.module.parameters())
        boxes, masks = torch.zeros(1, MOST_BOXES, 4), torch.zeros(1, MOST_BOXES)
        texts = torch.zeros(1, MOST_BOXES, self.grounding.network.adapter.text)
        for index, box in enumerate(self.grounding.boxes):
            corners = (box.x / width, box.y / height, (box.x + box.width) / width, (box.y + box.height) / height)
            boxes[0, index], masks[0, index], texts[0, index] = torch.tensor(corners), 1.0, box.text[0]
        found: Tensor = self.module(*(tensor.to(weight) for tensor in (boxes, masks, texts)))
        return found


def with_live_boxes(conditioning: Sequence[Sequence[Any]], borrow: Borrow) -> list[list[Any]]:
    """The conditioning with its boxes ready for a denoiser."""
    return [[tensor, _live(options, borrow)] for tensor, options in conditioning]


def _live(options: Mapping[str, Any], borrow: Borrow) -> Mapping[str, Any]:
    found = options.get(GROUNDING)
    if not isinstance(found, Grounding):
        return options
    others = {name: value for name, value in options.items() if name != GROUNDING}
    return {**others, BOXES: LiveGrounding(found, borrow)}


@contextmanager
def grounded(unet: Any, boxes: LiveGrounding | None, x: Tensor) -> Iterator[None]:
    """The UNet with gated layers between the self- and the cross-attention of its transformers; afterwards as it was.

    Args:
        x: what the UNet is about to see, [batch, channel, height, width].

    Raises:
        UnsupportedConditioning: the layers were trained for a UNet of other widths.
    """
    if boxes is None:
        yield
        return
    blocks, fusers = list(_transformers(unet)), boxes.module.fusers
    if [block.norm1.normalized_shape[0] for block in blocks] != boxes.grounding.network.adapter.widths:
        raise UnsupportedConditioning(["gligen of another kind of model"])
    tokens = boxes.tokens(*x.shape[-2:])
    hooks = []
    try:
        for block, fuser in zip(blocks, fusers, strict=True):
            # Not a submodule: the layer belongs to another model.
            block.__dict__["fuser"] = partial(_fused, fuser)
            hooks.append(block.register_forward_pre_hook(partial(_told, tokens), with_kwargs=True))
        yield
    finally:
        for hook in hooks:
            hook.remove()
        for block in blocks:
            block.__dict__.pop("fuser", None)


def _transformers(unet: Any) -> Iterator[Any]:
    for blocks in (input_blocks, middle_blocks, output_blocks):
        for block in blocks(unet):
            yield from getattr(block.transformer, "transformer_blocks", ())


def _told(tokens: Tensor, block: Any, given: Any, options: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
    """The block's arguments, with boxes among those that diffusers calls ``cross_attention_kwargs``."""
    further = {**(options.get("cross_attention_kwargs") or {}), "gligen": {"objs": tokens}}
    return given, {**options, "cross_attention_kwargs": further}


def _fused(fuser: Any, hidden: Tensor, tokens: Tensor) -> Tensor:
    fused: Tensor = fuser(hidden.to(tokens), tokens.expand(len(hidden), -1, -1))
    return fused.to(hidden)

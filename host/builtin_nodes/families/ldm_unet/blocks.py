"""The blocks of diffusers' UNet as the original code counts them, and a way through them one by one."""

# ruff: noqa: TID253 - imported when a model is opened, never on the start-up path
from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from host.builtin_nodes.controlnet.errors import UnsupportedControl
from host.builtin_nodes.sampling.patches import BlockPatch, NetworkPatches, PatchCall, PatchedCall, Place


@dataclass(frozen=True, kw_only=True, eq=False)
class Block:
    """One block: a residual block, a transformer after it and a resampling layer at the end, as far as it has them.

    Attributes:
        name: of its first module.
    """

    place: Place
    name: str
    residual: Any = None
    transformer: Any = None
    resampling: Any = None


def input_blocks(unet: Any) -> Iterator[Block]:
    """The blocks on the way down; the convolution of the input, which is block 0, is left out."""
    index = 1
    for level, block in enumerate(unet.down_blocks):
        for layer, residual in enumerate(block.resnets):
            name = f"down_blocks.{level}.resnets.{layer}"
            yield Block(place=("input", index), name=name, residual=residual, transformer=_transformer(block, layer))
            index += 1
        for layer, resampling in enumerate(block.downsamplers or ()):
            yield Block(place=("input", index), name=f"down_blocks.{level}.downsamplers.{layer}", resampling=resampling)
            index += 1


def middle_blocks(unet: Any) -> Iterator[Block]:
    """The parts of the middle block, which all count as one; none where there is no such block."""
    if unet.mid_block is None:
        return
    for layer, residual in enumerate(unet.mid_block.resnets):
        transformer = _transformer(unet.mid_block, layer - 1) if layer else None
        if transformer is not None:
            yield Block(place=("middle", 0), name=f"mid_block.attentions.{layer - 1}", transformer=transformer)
        yield Block(place=("middle", 0), name=f"mid_block.resnets.{layer}", residual=residual)


def output_blocks(unet: Any) -> Iterator[Block]:
    """The blocks on the way up."""
    index = 0
    for level, block in enumerate(unet.up_blocks):
        upsamplers = list(block.upsamplers or ())
        for layer, residual in enumerate(block.resnets):
            ends = layer == len(block.resnets) - 1 and upsamplers
            yield Block(
                place=("output", index),
                name=f"up_blocks.{level}.resnets.{layer}",
                residual=residual,
                transformer=_transformer(block, layer),
                resampling=upsamplers[0] if ends else None,
            )
            index += 1


def _transformer(block: Any, layer: int) -> Any:
    transformers = getattr(block, "attentions", None) or ()
    return transformers[layer] if layer < len(transformers) else None


def blockwise_forward(
    unet: Any, patched: PatchedCall, inside: Sequence[Tensor | None] = ()
) -> Callable[..., tuple[Tensor]]:
    """The UNet's ``forward`` with patches between its blocks; without any, it computes the same.

    ``inside`` is added to the outputs of the input blocks, before patches see them.
    """
    way = _Way(unet, patched.patches, replace(patched.call, model_channels=unet.time_proj.num_channels), inside)
    return way.forward


@dataclass(frozen=True, eq=False)
class _Way:
    """One evaluation, block by block."""

    unet: Any
    patches: NetworkPatches
    call: PatchCall
    inside: Sequence[Tensor | None]

    def forward(
        self,
        sample: Tensor,
        timestep: Tensor,
        encoder_hidden_states: Tensor,
        *,
        class_labels: Tensor | None = None,
        down_block_additional_residuals: Sequence[Tensor | None] | None = None,
        mid_block_additional_residual: Tensor | None = None,
        return_dict: bool = False,
    ) -> tuple[Tensor]:
        """What the module's own ``forward`` gives for these arguments, as a tuple."""
        embedding = self._embedding(sample, timestep, class_labels)
        hidden, skips = self._down(sample, embedding, encoder_hidden_states)
        for index, residual in enumerate(down_block_additional_residuals or ()):
            if residual is not None:
                skips[index] = _with_control(skips[index], residual)
        for block in middle_blocks(self.unet):
            hidden = _through(block, hidden, embedding, encoder_hidden_states)
        hidden = self._apply(self.patches.after_middle, hidden, ("middle", 0), "mid_block")
        if mid_block_additional_residual is not None:
            hidden = _with_control(hidden, mid_block_additional_residual)
        hidden = self._up(hidden, skips, embedding, encoder_hidden_states)
        if self.unet.conv_norm_out:
            hidden = self.unet.conv_act(self.unet.conv_norm_out(hidden))
        return (self.unet.conv_out(hidden),)

    def _embedding(self, sample: Tensor, timestep: Tensor, class_labels: Tensor | None) -> Tensor:
        unet = self.unet
        embedding: Tensor = unet.time_embedding(unet.get_time_embed(sample=sample, timestep=timestep), None)
        vector = unet.get_class_embed(sample=sample, class_labels=class_labels)
        return embedding if vector is None else embedding + vector

    def _down(self, sample: Tensor, embedding: Tensor, context: Tensor) -> tuple[Tensor, list[Tensor]]:
        hidden, skip = self._taken(self.unet.conv_in(sample), ("input", 0), "conv_in")
        skips = [skip]
        for block in input_blocks(self.unet):
            hidden = _through(block, hidden, embedding, context)
            hidden, skip = self._taken(hidden, block.place, block.name)
            skips.append(skip)
        if len(self.inside) > len(skips):
            raise UnsupportedControl(f"a network with {len(skips)} input blocks, as it adds to {len(self.inside)}")
        return hidden, skips

    def _taken(self, hidden: Tensor, place: Place, name: str) -> tuple[Tensor, Tensor]:
        """(what goes on, what the skip connection takes) after an input block."""
        index = int(place[1])
        added = self.inside[index] if index < len(self.inside) else None
        if added is not None:
            hidden = _with_control(hidden, added)
        skip = self._apply(self.patches.after_input, hidden, place, name)
        return self._apply(self.patches.after_skip, skip, place, name), skip

    def _up(self, hidden: Tensor, skips: list[Tensor], embedding: Tensor, context: Tensor) -> Tensor:
        for block in output_blocks(self.unet):
            skip = skips.pop()
            call = replace(self.call, place=block.place, name=block.name)
            for patch in self.patches.before_output:
                hidden, skip = patch(hidden, skip, call)
            size = tuple(skips[-1].shape[2:]) if skips else None
            hidden = _through(block, torch.cat([hidden, skip], dim=1), embedding, context, size)
        return hidden

    def _apply(self, patches: Sequence[BlockPatch], hidden: Tensor, place: Place, name: str) -> Tensor:
        call = replace(self.call, place=place, name=name)
        for patch in patches:
            hidden = patch(hidden, call)
        return hidden


def _with_control(hidden: Tensor, added: Tensor) -> Tensor:
    if hidden.shape[1:] != added.shape[1:]:
        raise UnsupportedControl(f"a network with {list(hidden.shape[1:])} where it adds {list(added.shape[1:])}")
    return hidden + added


def _through(
    block: Block, hidden: Tensor, embedding: Tensor, context: Tensor, size: tuple[int, ...] | None = None
) -> Tensor:
    """A block's output; ``size`` is what an upsampling layer gives."""
    if block.residual is not None:
        hidden = block.residual(hidden, embedding)
    if block.transformer is not None:
        hidden = block.transformer(hidden, encoder_hidden_states=context, return_dict=False)[0]
    if block.resampling is not None:
        hidden = block.resampling(hidden) if size is None else block.resampling(hidden, size)
    return hidden

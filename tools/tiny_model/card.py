"""The card of the model that ships, written from measured figures."""

# ruff: noqa: E501 - the card is prose
from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_CARD = """\
# tiny-shapes

A latent-diffusion model in the Stable Diffusion 1.x layout that draws coloured shapes on coloured backgrounds, made so that this repository can
make a real picture without downloading one. {parameters:.1f} million parameters, {megabytes:.0f} MB, fp16 safetensors, sha256 `{sha256}`.

**What it understands:** "a small red circle on the left and a blue star on the right, yellow background": {colours}; {shapes}; small, medium and large;
on the left, on the right, at the top, at the bottom, in the middle; one or two objects. 64 px is what it was mostly trained on; 96 and 128 px work too.

**What it does not:** anything else. Outlines are soft, small shapes lose their corners, and of two objects one may come out with the other's shape.

**Training:** rendered scenes only, {vae_steps:,} autoencoder steps and {diffusion_steps:,} steps of text encoder and UNet on two CPU cores. The recipe is
`tools/tiny_model`.

## Measured

`{command}`: {prompts} unseen prompts, {steps} steps, cfg {cfg:g}, {size} px, seed {seed}, {sampler}/{scheduler}. Percent right, by pixels:

| | object colour | background | side |
|---|---|---|---|
{rows}

Judged against another picture's prompt the score falls to about chance, so the measure can fail. At cfg 1 it does not fall: the model follows its
prompts without guidance too, only its outlines are softer; what goes wrong, at either strength, is two objects changing places. Rendered
pictures are the most that could be reached.

## Licence

Apache-2.0, weights and data. The token vocabulary is CLIP's (MIT, (c) 2021 OpenAI).
"""


def write_card(figures: Mapping[str, Any], facts: Mapping[str, Any]) -> str:
    """The card's text; ``figures`` come from ``evaluate``, ``facts`` are about the file and its training."""
    rows = [
        f"| {name} | {row['colour']} | {row['background']} | {row['side']} |"
        for name, row in figures.items()
        if isinstance(row, Mapping) and "colour" in row
    ]
    return _CARD.format(rows="\n".join(rows), prompts=figures["prompts"], **figures["settings"], **facts)

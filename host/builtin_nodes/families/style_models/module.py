"""Style networks as modules."""

# ruff: noqa: TID253 - imported when a model is loaded, never on the start-up path
from __future__ import annotations

import torch
from diffusers.models.controlnets.controlnet_union import ResidualAttentionBlock
from torch import Tensor, nn
from torch.nn.functional import silu

from host.builtin_nodes.families.style_models.layout import REDUX, StyleLayout


class StyleAdapter(nn.Module):
    """T2I's style adapter (Mou et al. 2023): tokens of its own look at the image's and become the prompt's."""

    def __init__(self, layout: StyleLayout) -> None:
        super().__init__()
        width = layout.width
        self.style_embedding = nn.Parameter(torch.zeros(1, layout.tokens, width))
        self.ln_pre, self.ln_post = nn.LayerNorm(width), nn.LayerNorm(width)
        self.transformer_layes = nn.Sequential(
            *(ResidualAttentionBlock(width, layout.heads) for _ in range(layout.layers))
        )
        self.proj = nn.Parameter(torch.zeros(width, layout.context))

    def forward(self, states: Tensor) -> Tensor:
        """Tokens [batch, style tokens, context] for states [batch, token, width]."""
        own = self.style_embedding.expand(len(states), -1, -1)
        tokens = self.ln_pre(torch.cat([states, own], dim=1))
        tokens = self.transformer_layes(tokens.transpose(0, 1)).transpose(0, 1)
        styled: Tensor = self.ln_post(tokens[:, -own.shape[1] :]) @ self.proj
        return styled


class Redux(nn.Module):
    """Flux Redux: two linear layers that make a prompt's token of each of the image's."""

    def __init__(self, layout: StyleLayout) -> None:
        super().__init__()
        self.redux_up = nn.Linear(layout.width, layout.inner)
        self.redux_down = nn.Linear(layout.inner, layout.context)

    def forward(self, states: Tensor) -> Tensor:
        """Tokens [batch, token, context] for states [batch, token, width]."""
        tokens: Tensor = self.redux_down(silu(self.redux_up(states)))
        return tokens


def build_style_model(layout: StyleLayout) -> nn.Module:
    """The module in evaluation mode; under the meta device its parameters are without storage."""
    module = Redux(layout) if layout.kind == REDUX else StyleAdapter(layout)
    return module.eval().requires_grad_(False)

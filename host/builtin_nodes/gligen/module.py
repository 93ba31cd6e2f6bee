"""GLIGEN's layers as a module, from diffusers' parts."""

# ruff: noqa: TID253 - imported when a model is loaded, never on the start-up path
from __future__ import annotations

from diffusers.models.attention import GatedSelfAttentionDense
from diffusers.models.embeddings import GLIGENTextBoundingboxProjection
from torch import Tensor, nn

from host.builtin_nodes.gligen.layout import GligenLayout


class Gligen(nn.Module):
    """``position_net`` makes tokens of boxes, ``fusers`` let a denoiser's transformers look at them."""

    def __init__(self, layout: GligenLayout) -> None:
        super().__init__()
        self.position_net = GLIGENTextBoundingboxProjection(layout.text, layout.tokens)
        self.fusers = nn.ModuleList(
            GatedSelfAttentionDense(width, layout.tokens, heads, width // heads)
            for width, heads in zip(layout.widths, layout.heads, strict=True)
        )

    def forward(self, boxes: Tensor, masks: Tensor, texts: Tensor) -> Tensor:
        """Tokens [batch, box, width]; boxes are [batch, box, 4] (left, top, right, bottom) in shares of the image."""
        tokens: Tensor = self.position_net(boxes, masks, texts)
        return tokens


def build_gligen(layout: GligenLayout) -> nn.Module:
    """The module in evaluation mode; under the meta device its parameters are without storage."""
    return Gligen(layout).eval().requires_grad_(False)

"""Turns prompts into conditioning with one CLIP text encoder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from host.builtin_nodes.text.clip_tokens import Embeddings, PromptTokenizer, TokenizedPrompt, clip_prompt_tokenizer

if TYPE_CHECKING:
    from torch.nn import Module

    from host.builtin_nodes.text.chunks import TokenLayout
    from host.builtin_nodes.text.weighting import EncodedPrompt


@dataclass(frozen=True)
class ClipTextAdapter:
    """See ``interface.TextAdapter``.

    Attributes:
        layout: the encoder's tokens.
        positions: how many tokens it takes at once.
        stop: the layer whose states are used unless a handle says otherwise: -1 the last, -2 the one before it.
        final_norm: whether these states go through the model's final norm.
        masked: nobody looks at the padding.
        left_out: how many of the trained layers, the last ones, the module lacks.
    """

    layout: TokenLayout
    positions: int
    stop: int = -1
    final_norm: bool = True
    masked: bool = False
    left_out: int = 0

    def tokenize(self, prompt: str, embeddings: Embeddings | None = None) -> TokenizedPrompt:
        """The prompt's chunks; raises PromptError or EmbeddingFileError for what it can't read."""
        return self.tokenizer(embeddings).tokenize(prompt)

    def encode(self, module: Module, tokens: TokenizedPrompt, options: Mapping[str, Any]) -> EncodedPrompt:
        """Weighted states [1, length, width] and the pooled vector [1, width]."""
        from host.builtin_nodes.text.clip_encoder import ClipOutput, encode_clip
        from host.builtin_nodes.text.weighting import EncodedPrompt, encode_weighted

        stop = min((options.get("stop_at_layer") or self.stop) + self.left_out, -1)
        end = self.layout.end if self.masked else None
        output = ClipOutput(stop=stop, final_norm=self.final_norm, pad=self.layout.pad, masked_after=end)
        found = encode_weighted(
            lambda chunks: encode_clip(module, chunks, output), tokens.chunks, self.tokenizer(None).empty
        )
        return EncodedPrompt(found.states.cpu(), None if found.pooled is None else found.pooled.cpu())

    def filled(self, prompt: TokenizedPrompt, chunks: int) -> TokenizedPrompt:
        """The prompt with empty chunks after its own, up to that number."""
        empty = self.tokenizer(None).empty(self.positions)
        return TokenizedPrompt((*prompt.chunks, *[empty] * (chunks - len(prompt.chunks))), prompt.missing)

    def tokenizer(self, embeddings: Embeddings | None) -> PromptTokenizer:
        """What turns prompts into the encoder's chunks."""
        return clip_prompt_tokenizer(self.layout, embeddings, length=self.positions)

"""Turns prompts into T5's states."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from host.builtin_nodes.text.clip_tokens import Embeddings, PromptTokenizer, TokenizedPrompt

if TYPE_CHECKING:
    from torch.nn import Module

    from host.builtin_nodes.text.weighting import EncodedPrompt


@dataclass(frozen=True)
class T5Adapter:
    """See ``interface.TextAdapter``.

    Attributes:
        model: the encoder's file, near which its vocabulary is looked for.
        min_length: tokens a prompt is padded to: 77 for Stable Diffusion 3, 256 for Flux and Mochi.
        masked: whether padding is kept from taking part.
        min_padding: least number of padding tokens after a prompt's end.
    """

    model: Path
    min_length: int
    masked: bool = False
    min_padding: int = 0

    def tokenize(self, prompt: str, embeddings: Embeddings | None = None) -> TokenizedPrompt:
        """The prompt as one chunk; raises TextError for what it can't read, or without a vocabulary."""
        return self._tokenizer(embeddings).tokenize(prompt, options={"t5xxl_min_padding": self.min_padding})

    def nothing(self) -> TokenizedPrompt:
        """No prompt at all: the end token alone, without padding."""
        from host.builtin_nodes.text.t5_tokens import t5_layout

        return TokenizedPrompt((t5_layout(0).empty(0),))

    def encode(self, module: Module, tokens: TokenizedPrompt, options: Mapping[str, Any]) -> EncodedPrompt:
        """Weighted states [1, length, width]."""
        from host.builtin_nodes.families.t5.module import encode_t5
        from host.builtin_nodes.text.t5_tokens import t5_layout
        from host.builtin_nodes.text.weighting import EncodedPrompt, encode_weighted

        empty = t5_layout(self.min_length).empty
        stop = options.get("stop_at_layer") or -1
        found = encode_weighted(
            lambda chunks: encode_t5(module, chunks, masked=self.masked, stop=stop), tokens.chunks, empty
        )
        return EncodedPrompt(found.states.cpu(), None)

    def _tokenizer(self, embeddings: Embeddings | None) -> PromptTokenizer:
        from host.builtin_nodes.families.t5.vocabulary import find_t5_vocabulary
        from host.builtin_nodes.text.t5_tokens import t5_prompt_tokenizer

        vocabulary = find_t5_vocabulary(self.model)
        return t5_prompt_tokenizer(vocabulary, min_length=self.min_length, embeddings=embeddings)

"""Turns prompts into conditioning with Stable Diffusion XL's two text encoders."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from host.builtin_nodes.families.clip_text.adapter import ClipTextAdapter
from host.builtin_nodes.text.clip_tokens import CLIP_G, CLIP_L, Embeddings, TokenizedPrompt

if TYPE_CHECKING:
    from torch.nn import Module

    from host.builtin_nodes.text.weighting import EncodedPrompt

_STOP = -2


@dataclass(frozen=True)
class SdxlTextAdapter:
    """See ``interface.TextAdapter``: both encoders' states of the second layer from the end, without final norm.

    The module has CLIP-L under ``clip_l`` and OpenCLIP-G under ``clip_g``; so may a mapping of two modules.
    """

    clip_l: ClipTextAdapter
    clip_g: ClipTextAdapter

    @property
    def encoders(self) -> dict[str, ClipTextAdapter]:
        """In the order in which their states are joined."""
        return {"clip_l": self.clip_l, "clip_g": self.clip_g}

    def tokenize(self, prompt: str, embeddings: Embeddings | None = None) -> dict[str, TokenizedPrompt]:
        """The prompt's chunks for each encoder; raises PromptError or EmbeddingFileError for what it can't read."""
        return self.tokenize_each(dict.fromkeys(self.encoders, prompt), embeddings)

    def tokenize_each(
        self, prompts: Mapping[str, str], embeddings: Embeddings | None = None
    ) -> dict[str, TokenizedPrompt]:
        """The chunks of a prompt of its own for each encoder, filled up with empty ones to the same number."""
        tokens = {key: encoder.tokenize(prompts[key], embeddings) for key, encoder in self.encoders.items()}
        most = max(len(prompt.chunks) for prompt in tokens.values())
        return {key: self.encoders[key].filled(prompt, most) for key, prompt in tokens.items()}

    def encode(
        self, module: Module | Mapping[str, Module], tokens: Mapping[str, TokenizedPrompt], options: Mapping[str, Any]
    ) -> EncodedPrompt:
        """States [1, length, sum of widths] of both encoders and the pooled vector of the second."""
        from host.builtin_nodes.text.weighting import EncodedPrompt, join_channels

        modules: Any = module
        clip_l, clip_g = (encoder.encode(modules[key], tokens[key], options) for key, encoder in self.encoders.items())
        return EncodedPrompt(join_channels(clip_l.states, clip_g.states), clip_g.pooled)


def text_encoders(positions: Mapping[str, int]) -> SdxlTextAdapter:
    """The adapter for a pair of encoders; ``positions`` says how many tokens each takes at once."""
    return SdxlTextAdapter(
        ClipTextAdapter(CLIP_L, positions["clip_l"], stop=_STOP, final_norm=False),
        ClipTextAdapter(CLIP_G, positions["clip_g"], stop=_STOP, final_norm=False),
    )

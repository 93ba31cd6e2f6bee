"""Turns prompts into conditioning with several text encoders."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from host.builtin_nodes.families.clip_text.adapter import ClipTextAdapter
from host.builtin_nodes.families.interface import TextAdapter
from host.builtin_nodes.families.t5.adapter import T5Adapter
from host.builtin_nodes.families.text_encoders.encoders import CLIP_G, CLIP_L, T5, Encoders
from host.builtin_nodes.text.clip_tokens import CLIP_G as TOKENS_G
from host.builtin_nodes.text.clip_tokens import CLIP_L as TOKENS_L
from host.builtin_nodes.text.clip_tokens import Embeddings, TokenizedPrompt
from sdk import NodeError

if TYPE_CHECKING:
    from torch.nn import Module

    from host.builtin_nodes.text.weighting import EncodedPrompt

_TOKENS = {CLIP_L: TOKENS_L, CLIP_G: TOKENS_G}

Join = Callable[[Mapping[str, "EncodedPrompt"]], "EncodedPrompt"]
"""Makes one prompt's encoding of its encodings by encoder."""


@dataclass(frozen=True)
class JointTextAdapter:
    """See ``interface.TextAdapter``.

    Attributes:
        encoders: by key; the module has each under the same key.
        join: how their results make one.
        model: what the encoders belong to, as messages name it.
    """

    encoders: Mapping[str, TextAdapter]
    join: Join
    model: str

    def tokenize(self, prompt: str, embeddings: Embeddings | None = None) -> Mapping[str, TokenizedPrompt]:
        """The prompt's chunks for each encoder; raises TextError for what it can't read."""
        return self.tokenize_each(dict.fromkeys(self.encoders, prompt), embeddings)

    def tokenize_each(
        self, prompts: Mapping[str, str], embeddings: Embeddings | None = None
    ) -> Mapping[str, TokenizedPrompt]:
        """The chunks of a prompt for each encoder; prompts for encoders that aren't there are not read.

        Those for CLIP encoders are filled up with empty ones to the same number.

        Raises:
            NodeError: none of the encoders is there.
            TextError: a prompt can't be read.
        """
        if prompts and not self.encoders.keys() & prompts.keys():
            raise NodeError(
                f"The text encoder of {self.model} consists of {', '.join(self.encoders) or 'nothing'}, "
                f"the prompts are for {', '.join(prompts)}. Use a node for prompts that fits it."
            )
        return _evened(
            {key: self.encoders[key].tokenize(prompts[key], embeddings) for key in self.encoders if key in prompts},
            {key: encoder for key, encoder in self.encoders.items() if isinstance(encoder, ClipTextAdapter)},
        )

    def encode(
        self, module: Module, tokens: Mapping[str, TokenizedPrompt], options: Mapping[str, Any]
    ) -> EncodedPrompt:
        """What ``join`` makes of each encoder's weighted states and pooled vector."""
        modules: Any = module
        return self.join(
            {key: self.encoders[key].encode(modules[key], prompt, options) for key, prompt in tokens.items()}
        )


def _evened(
    tokens: Mapping[str, TokenizedPrompt], clips: Mapping[str, ClipTextAdapter]
) -> Mapping[str, TokenizedPrompt]:
    """The prompts, those for CLIP encoders with as many chunks as the longest of them."""
    most = max((len(tokens[key].chunks) for key in clips if key in tokens), default=0)
    return {key: clips[key].filled(prompt, most) if key in clips else prompt for key, prompt in tokens.items()}


def joint_text_adapter(
    encoders: Encoders, join: Join, *, model: str, file: Path, t5_length: int, stop: int, final_norm: bool
) -> JointTextAdapter:
    """The adapter for a model's encoders.

    Args:
        encoders: those that are there.
        join: how their results make one.
        model: as messages name it.
        file: the encoders' file; T5's vocabulary is looked for near it.
        t5_length: tokens that a prompt for T5 is padded to.
        stop: the CLIP layer whose states are used: -1 the last, -2 the one before it.
        final_norm: whether these states go through the model's final norm.
    """
    adapters: dict[str, TextAdapter] = {
        layout.key: ClipTextAdapter(_TOKENS[layout.key], layout.positions, stop=stop, final_norm=final_norm)
        for layout in encoders.clips
    }
    if encoders.t5 is not None:
        adapters[T5] = T5Adapter(file, t5_length)
    return JointTextAdapter(adapters, join, model)

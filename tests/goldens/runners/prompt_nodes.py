"""Prompts through the nodes that users link, with each family's own text adapter (``C_prompt``)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor

from host.builtin_nodes.conditioning.prompts import clip_text_encode
from host.builtin_nodes.conditioning.text_options import t5_tokenizer_options
from host.builtin_nodes.families.clip_text.adapter import ClipTextAdapter
from host.builtin_nodes.families.clip_text.layout import ClipTextLayout
from host.builtin_nodes.families.flux.nodes import clip_text_encode_flux
from host.builtin_nodes.families.flux.text import flux_text_adapter
from host.builtin_nodes.families.sd3.nodes import clip_text_encode_sd3
from host.builtin_nodes.families.sd3.text import sd3_text_adapter
from host.builtin_nodes.families.sdxl.nodes import clip_text_encode_sdxl
from host.builtin_nodes.families.sdxl.text import text_encoders
from host.builtin_nodes.families.t5.config import T5Config
from host.builtin_nodes.families.text_encoders.encoders import Encoders
from host.builtin_nodes.text.clip_tokens import CLIP_L, Embeddings
from host.builtin_nodes.text.weighting import EncodedPrompt
from host.folders import LocalFolders
from host.models.library import Library
from sdk import Identity, ModelHandle
from tests.support.node_context import LoneContext

POSITIONS = 77
_VOCABULARY = 49_408

Formula = Callable[[Tensor, int], Tensor]
"""(token ids [chunks, length], width) -> states."""


def text_adapter(family: str, find_vocabulary: Callable[[], Path], widths: Mapping[str, int]) -> Any:
    """A family's adapter for encoders of these widths; ``find_vocabulary`` is asked for T5's, if it has that."""
    if family == "sd1":
        return ClipTextAdapter(CLIP_L, POSITIONS)
    if family == "sdxl":
        return text_encoders({"clip_l": POSITIONS, "clip_g": POSITIONS})
    beside = find_vocabulary().parents[1] / "encoders.safetensors"
    t5 = T5Config(vocabulary=32_128, width=widths["t5xxl"], inner=1, layers=1, heads=1, head=1, buckets=1)
    clips = tuple(_clip_layout(key, width) for key, width in widths.items() if key != "t5xxl")
    return {"flux": flux_text_adapter, "sd3": sd3_text_adapter}[family](Encoders(clips, ("", t5)), beside)


def _clip_layout(key: str, width: int) -> ClipTextLayout:
    facts: dict[str, Any] = dict.fromkeys(("layers", "mlp", "heads", "vocabulary"), 1)
    return ClipTextLayout(
        key=key,
        prefix="",
        original=False,
        width=width,
        positions=POSITIONS,
        long_positions=False,
        projection=None,
        **facts,
    )


def chunks_of(folder: Path, adapter: Any, prompt: str, options: Mapping[str, int] | None = None) -> dict[str, Any]:
    """What ``CLIPTextEncode`` hands to each encoder, by its key ("" for a lone one): its chunks.

    ``options`` are those of ``T5TokenizerOptions``, which stands before it.
    """
    recording = _Recording(adapter)
    clip = _handle(adapter)
    if options is not None:
        recording.inner = t5_tokenizer_options(clip, **options).adapter
    clip_text_encode(prompt, _handle(recording), _context(folder, None))
    (tokens,) = recording.seen
    by_encoder = tokens if isinstance(tokens, Mapping) else {"": tokens}
    return {key: prompt.chunks for key, prompt in by_encoder.items()}


def encoded(folder: Path, family: str, adapter: Any, prompt: str, modules: Any) -> list[EncodedPrompt]:
    """What ``CLIPTextEncode`` makes of a prompt with these encoders, and what the family's own node does."""
    clip, context = _handle(adapter), _context(folder, modules)
    made = [clip_text_encode(prompt, clip, context)]
    if family == "sdxl":
        made.append(clip_text_encode_sdxl(clip=clip, text_g=prompt, text_l=prompt, context=context))
    elif family == "sd3":
        made.append(clip_text_encode_sd3(clip, prompt, prompt, prompt, "empty_prompt", context))
    elif family == "flux":
        made.append(clip_text_encode_flux(clip=clip, clip_l=prompt, t5xxl=prompt, context=context))
    return [EncodedPrompt(states, options["pooled_output"]) for ((states, options),) in made]


@dataclass(eq=False)
class FormulaEncoder:
    """An encoder that is a formula, with the face of transformers' CLIP text model and T5 encoder."""

    width: int
    formula: Formula

    def get_input_embeddings(self) -> SimpleNamespace:
        """A table whose rows have the ids themselves, in every channel."""
        ids = torch.arange(_VOCABULARY, dtype=torch.float32)
        return SimpleNamespace(weight=ids[:, None].expand(-1, self.width))

    def __call__(
        self, input_ids: Tensor | None = None, *, inputs_embeds: Tensor | None = None, **_given: Any
    ) -> SimpleNamespace:
        ids = input_ids if inputs_embeds is None else inputs_embeds[..., 0].round().long()
        assert ids is not None
        states = self.formula(ids, self.width)
        pooled = states.mean(1) + states[:, 0]
        return SimpleNamespace(hidden_states=(None, states, states), last_hidden_state=states, pooler_output=pooled)


@dataclass(eq=False)
class _Recording:
    """A text adapter that notes what it is asked to encode."""

    inner: Any
    seen: list[Any] = field(default_factory=list)

    def tokenize(self, prompt: str, embeddings: Embeddings | None = None) -> Any:
        return self.inner.tokenize(prompt, embeddings)

    def encode(self, module: Any, tokens: Any, options: Mapping[str, Any]) -> EncodedPrompt:
        self.seen.append(tokens)
        return EncodedPrompt(torch.zeros(1, 1, 1), None)


@dataclass(frozen=True)
class _Modules:
    """A model manager whose models are all the same."""

    module: Any

    @contextmanager
    def borrow(self, handle: ModelHandle, *, working_bytes: int = 0) -> Iterator[Any]:
        yield self.module


def _handle(adapter: Any) -> ModelHandle:
    identity = Identity(family="formula", kind="text encoder", config={}, because="it is a formula")
    return ModelHandle(key="formula", part="text_encoder", identity=identity, adapter=adapter)


def _context(folder: Path, modules: Any) -> LoneContext:
    return LoneContext(LocalFolders(folder, Library([folder])), models=_Modules(modules))

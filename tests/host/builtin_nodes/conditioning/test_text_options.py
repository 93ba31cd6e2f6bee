"""Prompts for control networks, and padding of T5's prompts."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, models
from torch import Tensor
from torch.nn import Linear

from host.builtin_nodes.conditioning.text_options import clip_text_encode_controlnet, t5_tokenizer_options
from host.builtin_nodes.controlnet.control import CONTROL_TEXT
from host.builtin_nodes.controlnet.residuals import SKIP, ControlResiduals
from host.builtin_nodes.families.interface import LatentFormat
from host.builtin_nodes.families.sampled_model import FamilyModel
from host.builtin_nodes.families.t5.adapter import T5Adapter
from host.builtin_nodes.families.text_encoders.adapter import JointTextAdapter
from host.builtin_nodes.sampling.guidance import CfgDenoiser
from host.builtin_nodes.sampling.parametrisation import discrete
from host.builtin_nodes.text.weighting import EncodedPrompt
from sdk import Identity, ModelHandle
from tests.support.node_context import LoneContext, context_in


class Borrowable:
    """Implements what a text node asks of ``ModelAccess``: the handle itself in place of a module."""

    def borrow(self, handle: ModelHandle, *, working_bytes: int = 0) -> Any:
        return nullcontext(handle)


class Lengths:
    """A text encoder that says how long a prompt is."""

    def tokenize(self, prompt: str, embeddings: Any = None) -> int:
        return len(prompt)

    def encode(self, module: Any, tokens: int, options: Mapping[str, Any]) -> EncodedPrompt:
        return EncodedPrompt(torch.full((1, 2, 3), float(tokens)), torch.full((1, 4), float(tokens)))


def handle(adapter: Any) -> ModelHandle:
    identity = Identity(family="test", kind="text_encoder", config={}, because="test")
    return ModelHandle(key="k", part="text_encoder", identity=identity, adapter=adapter)


def context_of(tmp_path: Path) -> LoneContext:
    context = context_in(tmp_path)
    context.models = Borrowable()
    return context


def test_control_networks_get_a_prompt_beside_the_model_s_own(tmp_path: Path) -> None:
    own = [[torch.zeros(1, 2, 3), {"area": (1, 1, 0, 0)}]]
    ((text, options),) = clip_text_encode_controlnet(handle(Lengths()), own, "four", context_of(tmp_path))
    assert torch.equal(text, own[0][0])
    assert options["area"] == (1, 1, 0, 0)
    assert options["cross_attn_controlnet"].unique().tolist() == [4.0]
    assert options["pooled_output_controlnet"].unique().tolist() == [4.0]


@dataclass
class Watching:
    """Adapter of a denoiser and control network in one, which keeps the prompts both were shown."""

    model_saw: list[Tensor] = field(default_factory=list)
    control_saw: list[Tensor] = field(default_factory=list)
    latent_format: LatentFormat = field(default_factory=lambda: LatentFormat(channels=4))
    parametrisation: Any = field(default_factory=discrete)

    def inputs(self, options: Mapping[str, Any], latent: Tensor, mask: Tensor | None) -> dict[str, Tensor]:
        return {}

    def forward(self, module: Any, x: Tensor, timestep: Tensor, context: Tensor, **inputs: Any) -> Tensor:
        self.model_saw.append(context)
        return torch.zeros_like(x)

    def residuals(self, x: Tensor, timestep: Tensor, context: Tensor, **options: Any) -> ControlResiduals:
        self.control_saw.append(context)
        return ControlResiduals({SKIP: []})


def test_only_control_networks_see_their_prompt() -> None:
    watching = Watching()
    model, latent = FamilyModel(Linear(1, 1), watching), torch.ones(1, 4, 2, 2)
    options = {"control": watching, CONTROL_TEXT: torch.full((1, 5, 3), 7.0)}
    positive = model.prepare([[torch.full((1, 2, 3), 1.0), options]], latent, None)
    CfgDenoiser(model, positive, [], 1.0)(latent, 1.0)
    assert [seen.unique().tolist() for seen in watching.control_saw] == [[7.0]]
    assert [seen.unique().tolist() for seen in watching.model_saw] == [[1.0]]


def test_t5_pads_prompts_as_it_is_told_and_others_are_left_alone(tmp_path: Path) -> None:
    words = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("a", -1.0)]
    Tokenizer(models.Unigram(words, unk_id=2)).save(str(tmp_path / "tokenizer.json"))
    t5, other = T5Adapter(tmp_path / "t5.safetensors", 256), Lengths()
    joint = handle(JointTextAdapter({"t5xxl": t5, "clip_l": other}, lambda found: found["t5xxl"], "test"))  # type: ignore[dict-item]
    for min_padding, min_length, expected in ((0, 0, 3), (0, 10, 10), (4, 0, 7), (4, 10, 10)):
        told = t5_tokenizer_options(joint, min_padding, min_length)
        tokens = told.adapter.tokenize("aa")
        assert len(tokens["t5xxl"].chunks[0]) == expected
        assert tokens["clip_l"] == 2
    assert len(joint.adapter.tokenize("aa")["t5xxl"].chunks[0]) == 256
    alone = t5_tokenizer_options(handle(other), 1, 1)
    assert alone.adapter is other

"""What Stable Diffusion 3's own node makes of prompts of which some are long, and some empty."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from torch import Tensor

from host.builtin_nodes.families.clip_text.layout import ClipTextLayout
from host.builtin_nodes.families.sd3.nodes import clip_text_encode_sd3
from host.builtin_nodes.families.sd3.text import sd3_text_adapter
from host.builtin_nodes.families.t5.config import T5Config
from host.builtin_nodes.families.text_encoders.encoders import Encoders
from sdk import Identity, ModelHandle
from sdk.testing import FakeContext

L, G, T5 = 4, 6, 10
"""Widths of the three encoders."""

START, END, CAT = 49406, 49407, 2368
EMPTY = [START, END, END]
"""How CLIP-L's empty prompt begins; CLIP-G pads with 0."""


class Ids:
    """An encoder whose states are the token ids, in every channel."""

    def __init__(self, width: int) -> None:
        self.width = width

    def get_input_embeddings(self) -> SimpleNamespace:
        return SimpleNamespace(weight=torch.arange(49_408.0)[:, None].expand(-1, self.width))

    def __call__(self, input_ids: Tensor | None = None, *, inputs_embeds: Any = None, **given: Any) -> SimpleNamespace:
        states = inputs_embeds if input_ids is None else input_ids.float()[..., None].expand(-1, -1, self.width)
        pooled = states[:, :2][:, -1]
        return SimpleNamespace(hidden_states=(None, states, states), last_hidden_state=states, pooler_output=pooled)


class Encoders3:
    """A model manager with the three."""

    def borrow(self, handle: ModelHandle, *, working_bytes: int = 0) -> Any:
        return self

    def __enter__(self) -> Any:
        return {"clip_l": Ids(L), "clip_g": Ids(G), "t5xxl": Ids(T5)}

    def __exit__(self, *raised: object) -> None: ...


def layout(key: str, width: int) -> ClipTextLayout:
    facts: dict[str, Any] = {"layers": 1, "mlp": 1, "heads": 1, "vocabulary": 49_408, "positions": 77}
    marks: dict[str, Any] = {"prefix": "", "original": False, "long_positions": False, "projection": None}
    return ClipTextLayout(key=key, width=width, **facts, **marks)


def clip_in(folder: Path) -> ModelHandle:
    words = Tokenizer(WordLevel({"?": 2, "cat": 3}, unk_token="?"))
    words.pre_tokenizer = Whitespace()
    words.save(str(folder / "three.tokenizer.json"))
    t5 = T5Config(vocabulary=32_128, width=T5, inner=1, layers=1, heads=1, head=1, buckets=1)
    encoders = Encoders((layout("clip_l", L), layout("clip_g", G)), ("", t5))
    adapter = sd3_text_adapter(encoders, folder / "three.safetensors")
    identity = Identity(family="sd3", kind="text encoder", config={}, because="it is made for a test")
    return ModelHandle(key="three", part="text_encoder", identity=identity, adapter=adapter)


Encode = Callable[..., tuple[Tensor, Tensor]]


@pytest.fixture
def encode(tmp_path: Path) -> Encode:
    """Runs the node on three prompts; what comes back are the states and the pooled vector."""
    clip, context = clip_in(tmp_path), FakeContext(root=tmp_path, models=Encoders3())  # type: ignore[arg-type]

    def run(clip_l: str, clip_g: str, t5xxl: str, padding: str = "none") -> tuple[Tensor, Tensor]:
        ((states, options),) = clip_text_encode_sd3(clip, clip_l, clip_g, t5xxl, padding, context)
        return states, options["pooled_output"]

    return run


def test_a_short_prompt_is_filled_up_with_empty_ones_to_the_length_of_the_other(encode: Encode) -> None:
    long = " ".join(["cat"] * 80)
    for clip_l, clip_g in (("cat", long), (long, "cat")):
        states, _ = encode(clip_l, clip_g, "cat")
        assert states.shape == (1, 2 * 77 + 77, T5)
        second = states[0, 77:80]
        first, other = (second[:, 0], second[:, L]) if clip_l == "cat" else (second[:, L], second[:, 0])
        assert first.tolist() == ([START, END, END] if clip_l == "cat" else [START, END, 0])
        assert other.tolist() == [START, CAT, CAT]


@pytest.mark.parametrize("padding", ["none", "empty_prompt"])
@pytest.mark.parametrize(("clip_l", "clip_g"), [("cat", ""), ("", "cat")])
def test_one_clip_prompt_is_enough_for_both_encoders(encode: Encode, clip_l: str, clip_g: str, padding: str) -> None:
    states, pooled = encode(clip_l, clip_g, "cat", padding)
    assert states[0, :3, 0].tolist() == ([START, CAT, END] if clip_l else EMPTY)
    assert states[0, :3, L].tolist() == ([START, CAT, END] if clip_g else [START, END, 0])
    assert (pooled[0, 0], pooled[0, -1]) == ((CAT, END) if clip_l else (END, CAT))


def test_without_any_clip_prompt_there_are_zeros_or_empty_prompts(encode: Encode) -> None:
    states, pooled = encode("", "", "cat")
    assert states[0, :3, 0].tolist() == [3, 1, 0]
    assert states.shape == (1, 77, T5)
    assert torch.equal(pooled, torch.zeros(1, L + G))
    states, pooled = encode("", "", "cat", "empty_prompt")
    assert states.shape == (1, 154, T5)
    assert states[0, :3, 0].tolist() == EMPTY
    assert (pooled == END).all()


def test_no_prompt_for_t5_is_its_end_token_alone(encode: Encode) -> None:
    states, _ = encode("cat", "cat", "")
    assert states[0, 77:, 0].tolist() == [1]
    states, _ = encode("cat", "cat", "", "empty_prompt")
    assert states[0, 77:, 0].tolist() == [1] + [0] * 76
    states, pooled = encode("", "", "")
    assert states[..., 0].tolist() == [[1]]
    assert not pooled.any()

"""From a prompt to an SD1 text encoding, against values of the reference implementation."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from host.builtin_nodes.text.clip_encoder import ClipOutput, encode_clip
from host.builtin_nodes.text.clip_model import clip_config, clip_text_model
from host.builtin_nodes.text.clip_tokens import CLIP_L, clip_prompt_tokenizer
from host.builtin_nodes.text.weighting import EncodedPrompt, encode_weighted
from tests.goldens.runners.synthetic_weights import synthetic_tensor

PREFIX = "cond_stage_model.transformer.text_model."
WIDTH, HIDDEN, LAYERS = 64, 128, 3


def shapes() -> dict[str, tuple[int, ...]]:
    """The tensors of the reference data's tiny CLIP-L."""
    found: dict[str, tuple[int, ...]] = {
        "embeddings.token_embedding.weight": (49408, WIDTH),
        "embeddings.position_embedding.weight": (77, WIDTH),
    }
    linear = {f"self_attn.{name}_proj": (WIDTH, WIDTH) for name in ("q", "k", "v", "out")}
    linear |= {"mlp.fc1": (HIDDEN, WIDTH), "mlp.fc2": (WIDTH, HIDDEN)}
    for layer in range(LAYERS):
        for name, shape in linear.items():
            found[f"encoder.layers.{layer}.{name}.weight"] = shape
            found[f"encoder.layers.{layer}.{name}.bias"] = shape[:1]
    for norm in ("final_layer_norm", *(f"encoder.layers.{i}.layer_norm{n}" for i in range(LAYERS) for n in (1, 2))):
        found |= {f"{norm}.weight": (WIDTH,), f"{norm}.bias": (WIDTH,)}
    return found


@pytest.fixture(scope="module")
def encode() -> Callable[[str, int], EncodedPrompt]:
    """Encodes a prompt with the layer to stop at."""
    weights = {name: synthetic_tensor(PREFIX + name, shape) for name, shape in shapes().items()}
    model = clip_text_model(
        clip_config(vocabulary=49408, width=WIDTH, mlp=HIDDEN, layers=LAYERS, heads=2, positions=77)
    )
    model.load_state_dict(weights)
    tokenizer = clip_prompt_tokenizer(CLIP_L)

    def encoded(prompt: str, stop: int) -> EncodedPrompt:
        chunks = tokenizer.tokenize(prompt).chunks
        return encode_weighted(lambda c: encode_clip(model, c, ClipOutput(stop=stop)), chunks, tokenizer.empty)

    return encoded


# A few values of the goldens sd1/te_*: states[0, position, :4] and pooled[0, :4].
EXPECTED = [
    (
        "a photo of a cat sitting on a wooden bench",
        -1,
        6,
        [-0.38172, 0.262997, -1.240836, 0.363593],
        [0.545082, 0.505546, -1.4333, 0.445902],
    ),
    (
        "a photo of a cat sitting on a wooden bench",
        -2,
        6,
        [-1.587987, 0.493427, -0.915969, -0.223295],
        [0.545082, 0.505546, -1.4333, 0.445902],
    ),
    (
        "a (red:1.3) house, [old] ((tree)) by the (lake:0.6)",
        -1,
        2,
        [0.752016, 0.281954, -2.437918, 0.704907],
        [0.462329, 1.09849, -2.528479, -0.213097],
    ),
    (
        (
            "a wide painting of a harbour at dawn, many small boats with coloured sails, fog over the water, "
            "gulls circling above the masts, an old lighthouse on the cliff, fishermen mending nets on the "
            "pier, crates of fish and coils of rope, a stray dog asleep in the sun, church towers behind the "
            "town wall, soft light, oil on canvas, highly detailed, trending, sharp focus, dramatic sky, "
            "muted palette, cinematic composition, wide angle, masterpiece"
        ),
        -1,
        100,
        [1.222522, -0.227132, -1.802971, 0.56413],
        [2.801434, -0.178589, -2.119306, 0.798389],
    ),
]


@pytest.mark.parametrize(("prompt", "stop", "position", "states", "pooled"), EXPECTED)
def test_states_and_pooled_vector_are_the_references(
    encode: Callable[[str, int], EncodedPrompt],
    prompt: str,
    stop: int,
    position: int,
    states: list[float],
    pooled: list[float],
) -> None:
    found = encode(prompt, stop)

    assert found.pooled is not None
    torch.testing.assert_close(found.states[0, position, :4], torch.tensor(states), atol=7e-5, rtol=0)
    torch.testing.assert_close(found.pooled[0, :4], torch.tensor(pooled), atol=7e-5, rtol=0)

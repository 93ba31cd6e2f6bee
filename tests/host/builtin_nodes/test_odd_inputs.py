"""Every built-in node that needs no model answers odd but well-typed inputs with a result or with a sentence."""

from __future__ import annotations

import asyncio
import dataclasses
import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from sdk import Identity, Input, ModelHandle, NodeType, SdkError, UnfitInput, UnfitInputs
from sdk.testing.samples import sample_inputs
from tests.goldens.runners.nodes import FakeModels, FakeVae
from tests.host.builtin_nodes.test_object_info import NODES
from tests.support.node_context import LoneContext, context_in

Make = Callable[[], Any]


def tensor(*shape: int) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(0))


def latent(*shape: int, **more: Any) -> Make:
    return lambda: {"samples": tensor(*shape), **more}


def sound(*shape: int, rate: int = 8000) -> Make:
    return lambda: {"waveform": tensor(*shape), "sample_rate": rate}


ODD: Mapping[str, tuple[Make, ...]] = {
    "IMAGE": (
        lambda: tensor(1, 1, 1, 3),
        lambda: tensor(1, 1, 9, 3),
        lambda: tensor(1, 16, 24, 4),
        lambda: tensor(1, 16, 24, 1),
        lambda: tensor(1, 16, 24, 2),
        lambda: tensor(3, 8, 8, 3),
        lambda: tensor(0, 16, 24, 3),
        lambda: tensor(1, 0, 24, 3),
        lambda: tensor(16, 24, 3),
        lambda: tensor(1, 16, 24, 3) * float("nan"),
        lambda: None,
    ),
    "MASK": (
        lambda: tensor(1, 5, 7),
        lambda: tensor(16, 24),
        lambda: tensor(3, 16, 24),
        lambda: tensor(1, 1, 16, 24),
        lambda: tensor(0, 16, 24),
        lambda: tensor(1, 0, 0),
        lambda: torch.zeros(1, 16, 24),
        lambda: tensor(1, 1, 1),
    ),
    "LATENT": (
        latent(1, 4, 1, 1),
        latent(3, 4, 8, 8, batch_index=[0, 1, 2], noise_mask=torch.ones(2, 64, 64), extra="kept"),
        latent(3, 4, 8, 8, batch_index=[7]),
        latent(1, 16, 8, 8),
        latent(1, 16, 3, 8, 8),
        latent(1, 64, 100),
        latent(0, 4, 8, 8),
        latent(1, 4, 0, 0),
        latent(4, 8),
        dict,
    ),
    "AUDIO": (
        sound(1, 1, 100),
        sound(1, 3, 100),
        sound(2, 2, 100),
        sound(1, 2, 0),
        sound(0, 2, 100),
        sound(1, 2, 100, rate=0),
        sound(2, 100),
    ),
    "SIGMAS": (
        lambda: torch.tensor([]),
        lambda: torch.tensor([0.0]),
        lambda: torch.tensor([0.0, 0.0]),
        lambda: torch.tensor([float("nan"), 1.0]),
        lambda: torch.tensor(1.0),
    ),
    "CONDITIONING": (
        list,
        lambda: [[tensor(1, 7, 16), {"pooled_output": None}]],
        lambda: [[tensor(3, 77, 8), {}], [tensor(1, 1, 16), {}]],
        lambda: [[tensor(77, 16), {}]],
        lambda: [tensor(1, 77, 16)],
    ),
}
"""By socket type: what a link may carry that nobody meant."""


class TiledVae(FakeVae):
    """In tiles it gives what it gives without."""

    def encode_tiled(self, module: Any, pixels: Tensor, *, tile: int, overlap: int) -> Tensor:
        return self.encode(module, pixels)

    def decode_tiled(self, module: Any, latents: Tensor, *, tile: int, overlap: int) -> Tensor:
        return self.decode(module, latents)


_VAE = ModelHandle(
    key="vae",
    part="vae",
    identity=Identity(family="fake", kind="vae", config={}, because="it is a formula"),
    adapter=TiledVae(),
)


MADE_UP = {*ODD, "INT", "FLOAT", "STRING", "BOOLEAN", "COMBO", "VAE", "*"}
"""Types of inputs that there is a value for without a model."""


def needs_no_model(node: NodeType) -> bool:
    """Whether the test can make up all that the node has to have."""
    return not any(
        isinstance(item.choices, str) or MADE_UP.isdisjoint(item.type.split(","))
        for item in node.inputs
        if item.required
    )


def usual(node: NodeType) -> dict[str, Any]:
    """Inputs as users give them."""
    given = {item.name: _VAE for item in node.inputs if item.type == "VAE"}
    values = sample_inputs(dataclasses.replace(node, inputs=tuple(filter(_is_made_up, node.inputs))), given, {})
    defaults = {item.name: item.default for item in node.inputs if item.option("default") is not None}
    return {name: _small(name, value) for name, value in {**defaults, **values}.items()}


def _small(name: str, value: Any) -> Any:
    """Defaults are made for pictures as people want them."""
    return min(value, 65 if name == "length" else 64) if name in ("width", "height", "length") else value


def _is_made_up(item: Input) -> bool:
    return not MADE_UP.isdisjoint(item.type.split(","))


def tried(node: NodeType, inputs: dict[str, Any], context: LoneContext) -> str:
    """The refusal; empty where there is none. Anything but a refusal by a typed error is passed on."""
    try:
        result = node.run(node.create() if node.create else None, inputs, context)
        if inspect.isawaitable(result):
            asyncio.run(_awaited(result))
    except SdkError as error:
        return str(error)
    return ""


async def _awaited(result: Any) -> Any:
    return await result


def _tensor_inputs(node: NodeType) -> Iterator[tuple[str, str]]:
    for item in node.inputs:
        for kind in item.type.split(","):
            if kind in ODD:
                yield item.name, kind


WITH_TENSORS = sorted(name for name, node in NODES.items() if needs_no_model(node) and any(_tensor_inputs(node)))


@pytest.mark.parametrize("name", WITH_TENSORS)
def test_odd_inputs_give_a_result_or_a_sentence(name: str, tmp_path: Path) -> None:
    node = NODES[name]
    context = context_in(tmp_path)
    context.models = FakeModels()
    inputs = usual(node)
    for input_name, kind in _tensor_inputs(node):
        for make in ODD[kind]:
            value = make()
            said = tried(node, {**inputs, input_name: [value] if node.takes_lists else value}, context)
            assert not said[:1].islower(), said


CASES: list[tuple[str, dict[str, Any], str]] = [
    (
        "LatentRotate",
        {"samples": latent(1, 64, 100)(), "rotation": "none"},
        "has 3 dimensions and this node works on 4",
    ),
    ("LatentFlip", {"samples": latent(1, 64, 100)(), "flip_method": "x-axis: vertically"}, "'samples'.*3 dimensions"),
    (
        "LatentUpscaleBy",
        {"samples": latent(1, 64, 100)(), "upscale_method": "bilinear", "scale_by": 2.0},
        "LatentUpscaleBy can't use its input 'samples'",
    ),
    (
        "LatentConcat",
        {"samples1": latent(1, 4, 8, 8)(), "samples2": latent(1, 4, 3, 8, 8)(), "dim": "x"},
        r"samples1 \[1, 4, 8, 8\], samples2 \[1, 4, 3, 8, 8\]",
    ),
    (
        "PorterDuffImageComposite",
        {
            "source": tensor(1, 8, 8, 4),
            "source_alpha": tensor(1, 8, 8),
            "destination": tensor(1, 8, 8, 3),
            "destination_alpha": tensor(1, 8, 8),
            "mode": "ADD",
        },
        r"\[1, 8, 8, 4\] can't be used: it must be one with 3 channels, as the destination has",
    ),
    (
        "SD_4XUpscale_Conditioning",
        {
            "images": tensor(1, 8, 8, 3),
            "positive": [],
            "negative": [],
            "scale_ratio": 0.0,
            "noise_augmentation": 0.0,
        },
        "8 x 8 pixels times a scale_ratio of 0 leave no latent cell",
    ),
    ("Canny", {"image": tensor(1, 1, 1, 3), "low_threshold": 0.4, "high_threshold": 0.8}, "1 x 1 pixels is too small"),
    ("Canny", {"image": tensor(1, 9, 9, 3), "low_threshold": 0.8, "high_threshold": 0.4}, "0.8 is above .* swap them"),
    (
        "ConditioningConcat",
        {"conditioning_to": [[tensor(1, 7, 4), {}]], "conditioning_from": []},
        "'conditioning_from' holds no prompt at all",
    ),
    (
        "RebatchLatents",
        {"latents": [latent(3, 4, 8, 8, batch_index=[7])()], "batch_size": [1]},
        "of 3 items says for 1 which noise is theirs",
    ),
    ("EmptyAudio", {"duration": 1e18, "sample_rate": 44100, "channels": 2}, "EmptyAudio needs more memory .*duration"),
]


@pytest.mark.parametrize(("name", "inputs", "said"), CASES, ids=[case[0] for case in CASES])
def test_what_does_not_fit_is_said_with_what_it_is(
    name: str, inputs: dict[str, Any], said: str, tmp_path: Path
) -> None:
    refusal = tried(NODES[name], inputs, context_in(tmp_path))
    assert re.search(said, refusal), refusal


def test_the_refusals_of_sockets_are_typed(tmp_path: Path) -> None:
    with pytest.raises(UnfitInput):
        NODES["ImageInvert"].run(None, {"image": None}, context_in(tmp_path))
    with pytest.raises(UnfitInputs):
        NODES["LatentConcat"].run(None, CASES[3][1], context_in(tmp_path))

"""What comes over a link is checked before a node's body sees it."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import pytest
import torch

from sdk import (
    AnyValue,
    Audio,
    Blocker,
    Conditioning,
    Image,
    Latent,
    Lazy,
    Mask,
    Model,
    NodeResult,
    NodeType,
    Range,
    Shaped,
    Sigmas,
    UnfitInput,
    UnfitInputs,
    node,
)


def run(kind: NodeType, **inputs: Any) -> NodeResult:
    """As the engine does, which converts constants and leaves linked values as they are."""
    result = kind.run(None, inputs, None)
    assert isinstance(result, NodeResult)
    return result


@node
def everything(
    image: Image | None = None,
    mask: Mask | None = None,
    latent: Latent | None = None,
    sound: Audio | None = None,
    prompt: Conditioning | None = None,
    levels: Sigmas | None = None,
    count: int = 1,
    text: str = "",
    either: Image | Mask | None = None,
    anything: AnyValue | None = None,
) -> int:
    return 1


GOOD: list[tuple[str, Any]] = [
    ("image", torch.zeros(1, 4, 4, 3)),
    ("image", torch.zeros(0, 4, 4, 3)),
    ("image", None),
    ("mask", torch.zeros(4, 4)),
    ("mask", torch.zeros(1, 1, 4, 4)),
    ("latent", {"samples": torch.zeros(1, 4, 8, 8), "batch_index": [0]}),
    ("latent", {"samples": torch.zeros(1, 64, 100)}),
    ("latent", {"samples": object()}),  # a pack's own kind of tensor
    ("sound", {"waveform": torch.zeros(1, 2, 0), "sample_rate": 8000}),
    ("prompt", []),
    ("prompt", [(torch.zeros(1, 2, 3), {})]),
    ("levels", torch.zeros(0)),
    ("count", 2.5),
    ("count", True),
    ("text", ""),
    ("either", torch.zeros(4, 4)),
    ("anything", object()),
    ("image", Blocker("none")),
]
BAD: list[tuple[str, Any, str]] = [
    ("image", torch.zeros(4, 4, 3), r"a tensor of shape \[4, 4, 3\] is not an image. An image is a tensor \[batch, h"),
    ("image", "cat.png", "'cat.png' is not an image"),
    ("image", torch.zeros(1, 0, 4, 3), "an image of 4 x 0 pixels is empty"),
    ("mask", torch.zeros(4), "is not a mask"),
    ("mask", torch.zeros(1, 0, 0), "a mask of 0 x 0 pixels is empty"),
    ("latent", torch.zeros(1, 4, 8, 8), "is not a latent. A latent is a dict"),
    ("latent", {"samples": None}, "is not a latent"),
    ("latent", {"samples": torch.zeros(4, 8)}, "is not a latent. Its tensor is"),
    ("latent", {"samples": torch.zeros(1, 4, 0, 8)}, "a latent of 8 x 0 cells is empty"),
    ("sound", {"waveform": torch.zeros(2, 10), "sample_rate": 8000}, r"shape \[2, 10\] is not a sound"),
    ("sound", {"waveform": torch.zeros(1, 2, 10), "sample_rate": 0}, "a sound of 0 samples a second"),
    ("sound", {}, "is not a sound"),
    ("prompt", torch.zeros(1, 2, 3), "is not a prompt"),
    ("prompt", [torch.zeros(1)], "is not a prompt"),
    ("levels", [1.0, 0.0], "is not a list of noise levels"),
    ("count", "seven", "'seven' is not a number"),
    ("count", None, "nothing came over its link"),
    ("text", 7, "7 is not a text"),
    ("either", torch.zeros(4), "is not an image"),
]


@pytest.mark.parametrize(("name", "value"), GOOD)
def test_what_a_socket_promises_reaches_the_body(name: str, value: Any) -> None:
    assert run(everything, **{name: value}).outputs == (1,)


@pytest.mark.parametrize(("name", "value", "said"), BAD)
def test_anything_else_is_refused_with_node_input_and_remedy(name: str, value: Any, said: str) -> None:
    with pytest.raises(UnfitInput, match=said) as caught:
        run(everything, **{name: value})
    assert str(caught.value).startswith(f"Everything can't use its input '{name}': ")


def test_each_item_of_a_list_is_looked_at() -> None:
    @node
    def all_of(images: list[Image]) -> int:
        return len(images)

    assert run(all_of, images=[torch.zeros(1, 2, 2, 3)] * 2).outputs == (2,)
    with pytest.raises(UnfitInput, match="'images': nothing came over its link"):
        run(all_of, images=[torch.zeros(1, 2, 2, 3), None])


def test_a_lazy_input_may_still_be_missing() -> None:
    @node(check_lazy=lambda image: [])
    def later(image: Annotated[Image, Lazy()]) -> int:
        return 1

    assert run(later, image=None).outputs == (1,)


@node
def narrow(
    latent: Annotated[Latent, Shaped(dimensions=(4,))],
    image: Annotated[Image | None, Shaped(channels=3, side=4, batch=1)] = None,
) -> int:
    return 1


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        ({"latent": {"samples": torch.zeros(1, 8, 256)}}, r"\[1, 8, 256\] has 3 dimensions and this node works on 4"),
        ({"image": torch.zeros(1, 4, 4, 1)}, "1 channels .* needs 3"),
        ({"image": torch.zeros(1, 9, 3, 3)}, "3 x 9 pixels is too small"),
        ({"image": torch.zeros(0, 9, 9, 3)}, r"shape \[0, 9, 9, 3\] holds none at all"),
    ],
)
def test_a_node_may_ask_for_more_than_the_socket(inputs: Any, said: str) -> None:
    with pytest.raises(UnfitInput, match=said):
        run(narrow, **{"latent": {"samples": torch.zeros(1, 4, 8, 8)}, **inputs})


def test_sizes_that_do_not_go_together_are_told_with_all_of_them() -> None:
    @node
    def add(image: Image, other: Image, strength: float = 1.0) -> Image:
        return image + strength * other

    with pytest.raises(UnfitInputs, match=r"image \[3, 4, 4, 3\], other \[2, 4, 4, 3\]") as caught:
        run(add, image=torch.zeros(3, 4, 4, 3), other=torch.zeros(2, 4, 4, 3))
    assert isinstance(caught.value.__cause__, RuntimeError)
    assert "tensor a (3)" in caught.value.reason


def test_sizes_beyond_the_memory_are_told_by_their_numbers() -> None:
    @node
    def make(width: int, height: int) -> int:
        raise RuntimeError(f"DefaultCPUAllocator: can't allocate memory: you tried to allocate {width * height} bytes.")

    with pytest.raises(UnfitInputs, match="Make needs more memory than there is for width 16384, height 8"):
        run(make, width=16384, height=8)


def test_a_model_that_is_missing_is_told_where_it_is_used() -> None:
    @node
    def use(model: Model, text: str = "") -> int:
        return int(model.layers)

    with pytest.raises(UnfitInput, match="Use can't use its input 'model': nothing came over its link"):
        run(use, model=None)


@pytest.mark.parametrize("count", [0, -1, float("nan")])
def test_a_number_beyond_its_range_is_told_where_the_node_can_not_work_with_it(count: float) -> None:
    @node
    def split(count: Annotated[int, Range(1, 8)] = 1) -> int:
        return len(range(0, 8, count))

    assert run(split, count=9).outputs == (1,)  # beyond its range too, and no harm
    if count == -1:
        assert run(split, count=count).outputs == (0,)
        return
    with pytest.raises(UnfitInput, match=rf"'count': {count:g} is outside of its range 1..8"):
        run(split, count=count)


def test_what_an_awaited_body_complains_about_is_told_in_the_same_words() -> None:
    @node
    async def blend(first: Image, second: Image) -> Image:
        await asyncio.sleep(0)
        return first + second

    inputs = {"first": torch.zeros(1, 4, 4, 3), "second": torch.zeros(1, 5, 4, 3)}
    with pytest.raises(UnfitInputs, match=r"first \[1, 4, 4, 3\], second \[1, 5, 4, 3\]") as told:
        asyncio.run(blend.run(None, inputs, None))
    assert isinstance(told.value.__cause__, RuntimeError)


def test_a_missing_model_is_told_where_a_body_returns_something_to_await() -> None:
    async def later(model: object) -> int:
        return int(model.strength)  # type: ignore[attr-defined]

    @node
    def use(model: Model) -> int:
        return later(model)  # type: ignore[return-value]

    with pytest.raises(UnfitInput, match="nothing came over its link"):
        asyncio.run(use.run(None, {"model": None}, None))


def test_an_awaited_result_of_the_wrong_length_is_the_nodes_own_fault() -> None:
    @node
    async def pair(image: Image) -> tuple[Image, Image]:
        return (image,)  # type: ignore[return-value]

    with pytest.raises(TypeError, match="returned 1 values for its 2 outputs"):
        asyncio.run(pair.run(None, {"image": torch.zeros(1, 4, 4, 3)}, None))


def test_other_errors_of_a_body_pass_untouched() -> None:
    @node
    def fail(image: Image) -> int:
        raise ValueError("a mistake of its own")

    with pytest.raises(ValueError, match="a mistake of its own"):
        run(fail, image=torch.zeros(1, 2, 2, 3))

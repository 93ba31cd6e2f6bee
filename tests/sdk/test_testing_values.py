from __future__ import annotations

from typing import Any

import pytest
import torch

from sdk.nodes import Blocker, NodeResult, NodeType, Output
from sdk.testing.values import check_result, same


def node(kind: str, *, is_list: bool = False) -> NodeType:
    outputs = (Output(type=kind, name="out", is_list=is_list),)
    return NodeType(id="N", run=lambda state, inputs, context: NodeResult(), outputs=outputs)


def faults(kind: str, value: Any, *, is_list: bool = False) -> list[str]:
    return check_result(node(kind, is_list=is_list), NodeResult(outputs=(value,)))


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("IMAGE", torch.zeros(1, 4, 4, 3)),
        ("IMAGE", torch.zeros(0, 4, 4, 3)),
        ("MASK", torch.ones(1, 4, 4)),
        ("LATENT", {"samples": torch.zeros(1, 4, 8, 8)}),
        ("LATENT", {"samples": torch.zeros(1, 16, 2, 8, 8)}),
        ("SIGMAS", torch.zeros(3)),
        ("AUDIO", {"waveform": torch.zeros(1, 2, 5), "sample_rate": 8000}),
        ("CONDITIONING", [[torch.zeros(1, 2, 3), {}]]),
        ("INT", 3),
        ("FLOAT", 3),
        ("BOOLEAN", True),
        ("STRING", ""),
        ("A_TYPE_OF_A_PACK", object()),
        ("IMAGE", Blocker("nothing")),
    ],
)
def test_values_of_their_types_have_no_fault(kind: str, value: Any) -> None:
    assert faults(kind, value) == []
    assert faults(kind, [value, value], is_list=True) == []


@pytest.mark.parametrize(
    ("kind", "value", "said"),
    [
        ("IMAGE", torch.zeros(4, 4, 3), r"is no IMAGE"),
        ("IMAGE", None, "is no IMAGE"),
        ("IMAGE", torch.zeros(1, 4, 4, 3, dtype=torch.float16), "is torch.float16 and must be float32"),
        ("IMAGE", torch.full((1, 4, 4, 3), 255.0), "from 255 to 255 and must stay in 0..1"),
        ("MASK", torch.full((1, 4, 4), float("nan")), "not finite"),
        ("LATENT", torch.zeros(1, 4, 8, 8), "is no latent"),
        ("SIGMAS", [1.0], "is no tensor of noise levels"),
        ("AUDIO", {"waveform": 1}, "is no sound"),
        ("CONDITIONING", [torch.zeros(1)], "is no conditioning"),
        ("INT", True, "is declared INT and is True"),
        ("INT", 3.0, "is declared INT"),
        ("BOOLEAN", 1, "is declared BOOLEAN"),
        ("STRING", 7, "is declared STRING"),
    ],
)
def test_other_values_are_described(kind: str, value: Any, said: str) -> None:
    (fault,) = faults(kind, value)
    assert fault.startswith("output 'out' ")
    assert said in fault


def test_lists_and_counts_must_be_as_declared() -> None:
    assert "is declared as a list" in faults("INT", 3, is_list=True)[0]
    assert check_result(node("INT"), NodeResult()) == ["it declares 1 outputs and gives 0"]
    assert check_result(node("INT"), NodeResult(expand={"1": {}})) == []


def test_sameness_looks_into_containers_and_tensors() -> None:
    thing = object()
    value = {"a": [torch.ones(2), 1, "x", float("nan")], "b": thing}
    assert same(value, {"a": [torch.ones(2), 1, "x", float("nan")], "b": thing})
    assert same(object(), object())
    for other in ([torch.zeros(2), 1, "x", float("nan")], [torch.ones(3), 1, "x", 0.0], [torch.ones(2), 1, "x"]):
        assert not same(value, {"a": other, "b": thing})
    assert not same(torch.ones(2), torch.ones(2, dtype=torch.float64))
    assert not same("ab", ["a", "b"])
    assert not same({"a": 1}, {"b": 1})

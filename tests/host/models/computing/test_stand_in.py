from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass, field

import pytest
import torch
from torch import Tensor, nn

from host.models.computing.stand_in import Convolution, Product, StandIn
from host.models.errors import ReadOnlyWeight


@dataclass(eq=False)
class Made:
    """A weight that counts how often it is made."""

    value: Tensor
    result: Tensor | None = None
    uses: int = 0
    product: Tensor | None = None
    asked: list[Convolution] = field(default_factory=list)
    multiplied: list[Product] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.shape, self.dtype, self.device = self.value.shape, self.value.dtype, self.value.device

    def dense(self) -> Tensor:
        self.uses += 1
        return self.value

    def rows(self, indices: Tensor) -> Tensor:
        return self.value[indices]

    def convolve(self, convolution: Convolution) -> Tensor | None:
        self.asked.append(convolution)
        return self.result

    def multiply(self, product: Product) -> Tensor | None:
        self.multiplied.append(product)
        return self.product

    def write(self, value: Tensor) -> None:
        self.value = value

    def restore(self) -> None:
        raise AssertionError("nobody restores it")


def test_it_looks_like_the_weight_and_making_it_is_not_needed_for_that() -> None:
    made = Made(torch.randn(3, 4, dtype=torch.float64))
    weight = StandIn(made)
    assert (weight.shape, weight.dtype, weight.device.type, weight.ndim) == ((3, 4), torch.float64, "cpu", 2)
    assert (weight.nbytes, weight.requires_grad) == (96, False)
    assert isinstance(weight, nn.Parameter)
    assert weight.detach() is weight
    assert repr(weight) == "StandIn([3, 4], torch.float64, cpu)"
    assert made.uses == 0


@pytest.mark.parametrize("inference", [True, False])
def test_every_use_gets_the_weight(inference: bool) -> None:
    value, x = torch.randn(3, 4), torch.randn(2, 4)
    with torch.inference_mode(inference):
        weight = StandIn(Made(value))
        assert torch.equal(nn.functional.linear(x, weight), nn.functional.linear(x, value))
        assert torch.equal(torch.cat([weight, weight]), torch.cat([value, value]))
        assert torch.equal(weight.clone(), value)
        assert torch.equal(weight[1:], value[1:])


def test_layers_hold_it_as_their_weight() -> None:
    layer, x = nn.Conv2d(3, 5, 3, padding=1), torch.randn(2, 3, 6, 6)
    expected = layer(x)
    made = Made(layer.weight.data)
    layer._parameters["weight"] = StandIn(made)  # type: ignore[assignment]
    assert torch.equal(layer(x), expected)
    assert [name for name, _ in layer.named_parameters()] == ["weight", "bias"]
    assert made.asked[-1].padding in ([1, 1], (1, 1))


def test_a_faster_convolution_is_taken_where_the_weight_knows_one() -> None:
    answer = torch.ones(1)
    weight = StandIn(Made(torch.randn(5, 3, 3, 3), result=answer))
    with torch.inference_mode():
        assert nn.functional.conv2d(torch.randn(2, 3, 6, 6), weight) is answer
    transposed = nn.functional.conv_transpose2d(torch.randn(2, 5, 6, 6), weight)
    assert transposed.shape == (2, 3, 8, 8)


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_a_faster_product_is_taken_wherever_no_gradients_are_computed(mode: type[AbstractContextManager[None]]) -> None:
    layer, x, answer = nn.Linear(4, 3), torch.randn(2, 4), torch.ones(1)
    expected = layer(x)
    made = Made(layer.weight.data, product=answer)
    layer._parameters["weight"] = StandIn(made)  # type: ignore[assignment]
    assert torch.equal(layer(x), expected)
    assert made.multiplied == []
    with mode():
        assert layer(x) is answer
        assert nn.functional.linear(input=x, weight=layer.weight, bias=layer.bias) is answer
        made.product = None
        assert torch.equal(layer(x), expected)
    assert made.multiplied[0] == Product(x, layer.bias)


def test_a_layer_that_gradients_flow_through_takes_the_weight_itself() -> None:
    made, x = Made(torch.randn(3, 4), product=torch.ones(1)), torch.ones(2, 4, requires_grad=True)
    nn.functional.linear(x, StandIn(made)).sum().backward()
    assert x.grad is not None
    assert torch.allclose(x.grad, made.value.sum(0).expand(2, 4))
    assert made.multiplied == []


def test_rows_are_looked_up_without_making_the_whole_weight() -> None:
    made = Made(torch.randn(10, 4))
    found = nn.functional.embedding(torch.tensor([[1, 7]]), StandIn(made))
    assert torch.equal(found, made.value[[1, 7]][None])
    assert made.uses == 0


def test_gradients_with_respect_to_inputs_are_right() -> None:
    value = torch.randn(5, 3, 3, 3)
    x, y = (torch.ones(1, 3, 6, 6, requires_grad=True) for _ in range(2))
    nn.functional.conv2d(x, StandIn(Made(value))).square().sum().backward()
    nn.functional.conv2d(y, value).square().sum().backward()
    assert x.grad is not None
    assert y.grad is not None
    assert torch.allclose(x.grad, y.grad, rtol=1e-6)


def test_writing_to_it_is_refused() -> None:
    made = Made(torch.ones(3))
    with pytest.raises(ReadOnlyWeight, match=r"aten.mul_.* Change a clone"):
        StandIn(made).mul_(2)
    with pytest.raises(ReadOnlyWeight, match="copy_"):
        StandIn(made).copy_(torch.zeros(3))
    assert torch.equal(torch.zeros(3).copy_(StandIn(made)), made.value)

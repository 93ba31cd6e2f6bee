from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from host.models.computing.attention import use_attention
from tests.host.models.doubles import Net

X = torch.ones(1, 1, 2, 8)


class Coder(nn.Module):
    """Like a VAE: used by its own methods, not by calling it."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = Net(8)

    def encode(self, x: Tensor) -> Tensor:
        return self.inner(x)


def test_the_modules_attention_is_replaced_and_nobody_elses() -> None:
    calls: list[Any] = []

    def attention(query: Tensor, key: Tensor, value: Tensor, **options: Any) -> Tensor:
        calls.append(options)
        return scaled_dot_product_attention(query, key, value, **options) * 0

    module, other = Net(8), Net(8)
    use_attention(module, attention)
    assert module(X).abs().sum() == 0
    assert other(X).abs().sum() > 0
    assert len(calls) == 1


def test_methods_that_call_children_are_covered_and_the_function_runs_once() -> None:
    calls: list[int] = []

    def attention(*args: Any, **options: Any) -> Tensor:
        calls.append(1)
        return scaled_dot_product_attention(*args, **options)

    module = Coder()
    expected = module.encode(X)
    use_attention(module, attention)
    assert torch.equal(module.encode(X), expected)
    assert len(calls) == 1


def test_an_error_in_the_module_leaves_nothing_behind() -> None:
    module = Net(8)
    use_attention(module, lambda *args, **options: pytest.fail("left behind"))
    with pytest.raises(RuntimeError, match="shapes"):
        module(torch.ones(1, 3))
    scaled_dot_product_attention(X, X, X)

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from host.models.computing.amx import attention as amx
from host.models.computing.amx.attention import LEAST_KEYS, attention_with

TOLERANCE = 2e-5
"""Of the result's size: products keep 16 bits of their 24."""

pytestmark = pytest.mark.usefixtures("kernels")

attend = attention_with(None)


def randoms(batch: int, heads: int, tokens: int, depth: int) -> Tensor:
    """As layers give them: heads lie beside one another in each token."""
    generator = torch.Generator().manual_seed(batch + heads + tokens + depth)
    return torch.randn(batch, tokens, heads, depth, generator=generator).transpose(1, 2)


def off(result: Tensor, *inputs: Tensor, scale: float | None = None) -> float:
    exact = scaled_dot_product_attention(*(each.double() for each in inputs), scale=scale)
    return ((result - exact).norm() / exact.norm()).item()


@pytest.fixture
def only_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(amx, "scaled_dot_product_attention", lambda *_, **__: pytest.fail("left to torch"))


@torch.no_grad()
@pytest.mark.usefixtures("only_kernels")
@pytest.mark.parametrize(("queries", "keys"), [(1, 256), (64, 257), (100, 300), (600, 512), (1025, 1031)])
@pytest.mark.parametrize("depth", [8, 20, 40, 64, 80, 160])
def test_attention_is_nearly_exact(queries: int, keys: int, depth: int) -> None:
    query, key, value = randoms(2, 3, queries, depth), randoms(2, 3, keys, depth), randoms(2, 3, keys, depth) + 1

    result = attend(query, key, value)

    assert result.shape == query.shape
    assert off(result, query, key, value) < TOLERANCE


@torch.no_grad()
@pytest.mark.usefixtures("only_kernels")
def test_a_scale_of_ones_own_and_values_of_another_depth_count() -> None:
    query, key, value = randoms(1, 2, 70, 48), randoms(1, 2, 300, 48), randoms(1, 2, 300, 24)

    result = attend(query, key, value, scale=0.5)

    assert result.shape == (1, 2, 70, 24)
    assert off(result, query, key, value, scale=0.5) < TOLERANCE


@torch.no_grad()
@pytest.mark.usefixtures("only_kernels")
def test_great_products_neither_overflow_nor_lose_their_weight() -> None:
    query, key, value = randoms(1, 1, 64, 64) * 30, randoms(1, 1, 700, 64), randoms(1, 1, 700, 64)

    assert off(attend(query, key, value), query, key, value) < 1e-3  # products of some 1,000 are off by some 1e-3
    assert attend(query * 100, key * 100, value).isfinite().all()


@torch.no_grad()
@pytest.mark.usefixtures("only_kernels")
def test_memory_of_any_order_is_read_right() -> None:
    query, key, value = (randoms(1, 2, 300, 40) for _ in range(3))
    dense = [each.contiguous() for each in (query, key, value)]
    turned = [each.transpose(2, 3).contiguous().transpose(2, 3) for each in (query, key, value)]

    expected = attend(query, key, value)

    assert torch.equal(attend(*dense), expected)
    assert torch.equal(attend(*turned), expected)


@torch.no_grad()
@pytest.mark.usefixtures("only_kernels")
@pytest.mark.parametrize("threads", [1, 2, 5])
def test_the_number_of_threads_changes_no_bit(threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    query, key, value = randoms(1, 2, 1500, 40), randoms(1, 2, 300, 40), randoms(1, 2, 300, 40)
    expected = attend(query, key, value)
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)

    assert torch.equal(attend(query, key, value), expected)


@torch.no_grad()
@pytest.mark.usefixtures("only_kernels")
def test_what_is_no_number_stays_in_its_query() -> None:
    query, key, value = randoms(1, 1, 64, 40), randoms(1, 1, 300, 40), randoms(1, 1, 300, 40)
    query[0, 0, 3, 5] = torch.nan

    result = attend(query, key, value)

    assert result[0, 0, 3].isnan().all()
    assert result[0, 0, 4:].isfinite().all()


def test_what_the_kernels_do_not_do_is_left_to_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.ops.comfy_nodes, "attention", lambda *_: pytest.fail("not left to torch"))
    tokens = randoms(1, 2, LEAST_KEYS, 40)
    few, half = tokens[:, :, : LEAST_KEYS - 1], tokens.half()
    mask = torch.zeros(LEAST_KEYS, LEAST_KEYS)

    with torch.no_grad():
        assert torch.equal(attend(tokens, few, few), scaled_dot_product_attention(tokens, few, few))
        assert torch.equal(attend(half, half, half), scaled_dot_product_attention(half, half, half))
        attend(tokens, tokens, tokens, mask)
        attend(tokens, tokens, tokens, is_causal=True)
        attend(tokens[0], tokens[0], tokens[0])
        attend(tokens, tokens[:, :1], tokens[:, :1], enable_gqa=True)
    learning = tokens.clone().requires_grad_()
    attend(learning, tokens, tokens).sum().backward()
    assert learning.grad is not None


@torch.no_grad()
def test_compiled_code_calls_it() -> None:
    def layer(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        return attend(query * 2, key, value).transpose(1, 2).flatten(2) + 1

    tokens = [randoms(1, 2, tokens, 40) for tokens in (50, 300, 300)]

    compiled = torch.compile(layer, dynamic=True, backend="aot_eager", fullgraph=True)

    assert torch.allclose(compiled(*tokens), layer(*tokens), atol=1e-6)

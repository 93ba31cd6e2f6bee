from __future__ import annotations

import ctypes
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch.nn import functional

from host.models.computing.amx.products import Products
from host.models.computing.stand_in import Convolution, Product

TOLERANCE = 1e-5
"""Of the result's size: products keep 16 bits of their 24."""


@pytest.fixture(scope="module")
def products(kernels: ctypes.CDLL) -> Products:
    return Products(kernels)


def randoms(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape)))


def off(result: torch.Tensor, exact: torch.Tensor) -> float:
    return ((result - exact).norm() / exact.norm()).item()


@pytest.mark.parametrize("rows", [16, 31, 32, 77, 600])
@pytest.mark.parametrize(("inputs", "outputs"), [(32, 32), (320, 96), (1280, 320)])
def test_linear_layers_are_nearly_exact(products: Products, rows: int, inputs: int, outputs: int) -> None:
    x, weight, bias = randoms(rows, inputs), randoms(outputs, inputs), randoms(outputs)

    result = products.multiply(Product(x, bias), products.pack(weight), weight.shape)

    assert off(result, functional.linear(x.double(), weight.double(), bias.double())) < TOLERANCE


@pytest.mark.parametrize("size", [(16, 16), (9, 7), (1, 40)])
@pytest.mark.parametrize("stride", [(1, 1), (2, 2), (2, 1)])
@pytest.mark.parametrize(
    ("filter_size", "padding"), [((3, 3), (1, 1)), ((1, 1), (0, 0)), ((3, 1), (2, 0)), ((5, 3), (0, 1))]
)
def test_convolutions_are_nearly_exact(
    products: Products,
    size: tuple[int, int],
    stride: tuple[int, int],
    filter_size: tuple[int, int],
    padding: tuple[int, int],
) -> None:
    if any(side + 2 * border < across for side, border, across in zip(size, padding, filter_size, strict=True)):
        size = (size[0] + 4, size[1])
    x, weight, bias = randoms(3, 64, *size), randoms(96, 64, *filter_size), randoms(96)
    exact = functional.conv2d(x.double(), weight.double(), bias.double(), stride=stride, padding=padding)

    result = products.convolve(Convolution(x, bias, stride, padding, (1, 1), 1), products.pack(weight), weight.shape)

    assert off(result, exact) < TOLERANCE


def test_depth_that_takes_several_rounds_goes_on_from_the_sums(products: Products) -> None:
    x, weight = randoms(2, 512, 8, 8), randoms(32, 512, 3, 3)

    result = products.convolve(Convolution(x, None, (1,), (1,), (1,), 1), products.pack(weight), weight.shape)

    assert off(result, functional.conv2d(x.double(), weight.double(), padding=1)) < TOLERANCE


@pytest.mark.parametrize("threads", [1, 2, 3, 8])
def test_the_number_of_threads_changes_no_bit(
    products: Products, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    x, weight = randoms(100, 64), randoms(320, 64)
    packed = products.pack(weight)
    expected = products.multiply(Product(x, None), packed, weight.shape)
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)

    assert torch.equal(products.pack(weight), packed)
    result = products.multiply(Product(x, None), packed, weight.shape)

    assert torch.equal(result, expected)


def test_results_of_any_memory_order_are_right(products: Products) -> None:
    weight = randoms(64, 32, 3, 3)
    packed = products.pack(weight)
    x = randoms(1, 32, 20, 20)

    def result(order: Callable[[torch.Tensor], torch.Tensor]) -> torch.Tensor:
        return products.convolve(Convolution(order(x), None, (1, 1), (1, 1), (1, 1), 1), packed, weight.shape)

    plain = result(lambda tensor: tensor)
    assert torch.equal(plain, result(lambda tensor: tensor.contiguous(memory_format=torch.channels_last)))
    assert torch.equal(plain, result(lambda tensor: tensor.transpose(2, 3).contiguous().transpose(2, 3)))
    assert plain.is_contiguous(memory_format=torch.channels_last)


def test_leading_dimensions_of_a_linear_layer_stay(products: Products) -> None:
    x, weight = randoms(2, 3, 10, 32), randoms(64, 32)

    result = products.multiply(Product(x, None), products.pack(weight), weight.shape)

    assert result.shape == (2, 3, 10, 64)


def test_what_is_unusual_or_small_is_left_to_others(products: Products) -> None:
    x, ones = randoms(1, 32, 20, 20), (1, 1)
    filter_, matrix = torch.Size((64, 32, 3, 3)), torch.Size((64, 32))

    assert products.can_convolve(Convolution(x, None, ones, ones, ones, 1), filter_)
    assert not products.can_convolve(Convolution(x, None, ones, (2, 2), (2, 2), 1), filter_)
    assert not products.can_convolve(Convolution(x, None, ones, ones, ones, 2), filter_)
    assert not products.can_convolve(Convolution(x, None, ones, ones, ones, 1), torch.Size((4, 32, 3, 3)))
    assert products.can_multiply(Product(randoms(4, 8, 32), None), matrix)
    assert not products.can_multiply(Product(randoms(2, 32), None), matrix)
    assert not products.can_multiply(Product(randoms(77, 36), None), torch.Size((64, 36)))


def test_huge_and_tiny_numbers_keep_their_size(products: Products) -> None:
    x, weight = randoms(32, 32) * 1e18, randoms(32, 32) * 1e-19

    result = products.multiply(Product(x, None), products.pack(weight), weight.shape)

    assert off(result.double(), functional.linear(x.double(), weight.double())) < TOLERANCE


def test_what_is_no_number_shows(products: Products) -> None:
    x, weight = randoms(32, 32), randoms(32, 32)
    x[3, 4] = float("inf")

    result = products.multiply(Product(x, None), products.pack(weight), weight.shape)

    assert not result[3].isfinite().any()
    assert result[4:].isfinite().all()


def test_several_threads_may_compute_at_once(products: Products) -> None:
    x, weight = randoms(400, 320), randoms(320, 320)
    packed = products.pack(weight)
    expected = products.multiply(Product(x, None), packed, weight.shape)

    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda _: products.multiply(Product(x, None), packed, weight.shape), range(40)))

    assert all(torch.equal(result, expected) for result in results)


@pytest.mark.parametrize("rank", [1, 16, 40, 129])
@pytest.mark.parametrize(("rows", "columns"), [(32, 32), (320, 96), (96, 2880)])
@pytest.mark.parametrize("in_place", [False, True])
def test_a_product_of_low_rank_is_added_nearly_exactly(
    products: Products, rank: int, rows: int, columns: int, in_place: bool
) -> None:
    up, down, weight = randoms(rows, rank), randoms(rank, columns), randoms(rows, columns)
    exact = 0.7 * (up.double() @ down.double())
    out = weight.clone() if in_place else torch.full_like(weight, torch.nan)

    products.add_low_rank(out, out if in_place else weight, up, down, 0.7)

    assert off(out.double() - weight.double(), exact) < TOLERANCE


@pytest.mark.parametrize(("rows", "columns", "skipped"), [(20, 32, 0), (32, 33, 0), (64, 32, 1)])
def test_a_weight_that_tiles_do_not_fit_is_changed_all_the_same(
    products: Products, rows: int, columns: int, skipped: int
) -> None:
    up, down, weight = randoms(rows, 4), randoms(4, columns), randoms(rows, columns)
    out = torch.empty(rows * columns + skipped)[skipped:].view(rows, columns)

    products.add_low_rank(out, weight, up, down, -2.0)

    torch.testing.assert_close(out, weight - 2.0 * (up @ down))


def test_factors_of_any_memory_order_are_added(products: Products) -> None:
    up, down, weight = randoms(40, 64).T, randoms(96, 40).T, randoms(64, 96)

    products.add_low_rank(out := torch.empty(64, 96), weight, up, down, 1.0)

    assert off(out.double() - weight.double(), up.double() @ down.double()) < TOLERANCE

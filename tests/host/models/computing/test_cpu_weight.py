from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, linear

from host.models.computing.cpu_weight import ONE_OFF_USES, CpuWeight
from host.models.computing.stand_in import StandIn
from host.models.residency.ledger import Ledger

ROOM = 10**9


def made(
    value: Tensor, *, packs: bool = False, room: int = ROOM, dtype: torch.dtype = torch.float32
) -> tuple[CpuWeight, Ledger]:
    ledger = Ledger(room=room)
    return CpuWeight(lambda: value, dtype, ledger, packs=packs, release=lambda: None), ledger


def test_a_few_uses_convert_for_the_moment_and_the_next_one_for_good() -> None:
    half = torch.randn(8, 8).half()
    weight, ledger = made(half)
    for _ in range(ONE_OFF_USES):
        assert torch.equal(weight.dense(), half.float())
        assert (ledger.mapped, ledger.own) == (half.nbytes, 0)
    kept = weight.dense()
    assert torch.equal(kept, half.float())
    assert (ledger.mapped, ledger.own, ledger.room) == (0, 256, ROOM - 256)
    assert weight.dense() is kept


def test_without_room_nothing_is_kept_and_the_results_are_the_same() -> None:
    half = torch.randn(8, 8).half()
    weight, ledger = made(half, room=255)
    for _ in range(5):
        assert torch.equal(weight.dense(), half.float())
    assert (ledger.mapped, ledger.own) == (half.nbytes, 0)


def test_rows_of_a_table_are_converted_alone() -> None:
    half = torch.randn(8, 4).half()
    weight, ledger = made(half)
    indices = torch.tensor([[3, 3, 0]])
    for _ in range(5):
        assert torch.equal(weight.rows(indices), half[indices].float())
    assert ledger.own == 0


def assert_close(result: Tensor, expected: Tensor) -> None:
    assert (result - expected).abs().max() < 1e-5 * expected.abs().max()


LAYERS: list[tuple[tuple[int, int, int, int], dict[str, Any]]] = [
    ((16, 8, 3, 3), {"padding": 1}),
    ((16, 8, 3, 3), {"padding": 1, "stride": 2}),
    ((16, 8, 3, 3), {"padding": 2, "dilation": 2}),
    ((16, 4, 3, 3), {"groups": 2}),
    ((4, 8, 1, 1), {}),
]


@pytest.mark.parametrize("stored", [torch.float32, torch.float16])
@pytest.mark.parametrize(("shape", "options"), LAYERS)
def test_packed_filters_convolve_as_plain_ones_do_at_any_size(
    shape: tuple[int, int, int, int], options: dict[str, Any], stored: torch.dtype
) -> None:
    value = torch.randn(shape).to(stored)
    weight, ledger = made(value, packs=True)
    bias = torch.randn(shape[0])
    for size in (8, 8, 8, 8, 6, 12):
        for batch in (1, 3):
            x = torch.randn(batch, 8, size, size)
            with torch.inference_mode():
                result = conv2d(x, StandIn(weight), bias, **options)
            assert_close(result, conv2d(x, value.float(), bias, **options))
    assert weight._packed is not None
    assert (ledger.mapped, ledger.own) == (0, value.numel() * 4)


def test_a_packed_filter_is_still_the_files_weight_bit_for_bit() -> None:
    value = torch.randn(16, 8, 3, 3)
    weight, _ = made(value, packs=True)
    layer = nn.Conv2d(8, 16, 3)
    layer._parameters["weight"] = StandIn(weight)  # type: ignore[assignment]
    with torch.inference_mode():
        for _ in range(ONE_OFF_USES + 1):
            layer(torch.ones(1, 8, 5, 5))
    assert weight._packed is not None
    assert torch.equal(layer.weight.clone(), value)


def test_patches_replace_a_packed_filter_and_undoing_them_restores_it() -> None:
    value, other = torch.randn(16, 8, 3, 3), torch.randn(16, 8, 3, 3)
    weight, ledger = made(value, packs=True)
    x = torch.randn(1, 8, 5, 5)
    for wanted in (value, value, value, other, value, other):
        if wanted is other:
            weight.write(other)
        else:
            weight.restore()
        for _ in range(2):
            with torch.inference_mode():
                result = conv2d(x, StandIn(weight))
            assert_close(result, conv2d(x, wanted))
            assert torch.equal(weight.dense(), wanted)
    weight.restore()
    assert (ledger.mapped, ledger.own) == (value.nbytes, 0)


def test_writing_the_files_own_tensor_copies_it() -> None:
    value = torch.randn(16, 8, 3, 3)
    weight, _ = made(value, packs=True)
    weight.write(value)
    assert weight.dense().data_ptr() != value.data_ptr()


def test_gradients_flow_through_a_packed_filter() -> None:
    value = torch.randn(16, 8, 3, 3)
    weight, _ = made(value, packs=True)
    for _ in range(ONE_OFF_USES + 2):
        x = torch.ones(1, 8, 5, 5, requires_grad=True)
        conv2d(x, StandIn(weight)).square().sum().backward()
    assert weight._packed is not None
    expected = torch.ones(1, 8, 5, 5, requires_grad=True)
    conv2d(expected, value).square().sum().backward()
    assert x.grad is not None
    assert expected.grad is not None
    assert torch.allclose(x.grad, expected.grad, rtol=1e-4, atol=1e-4)


def test_inputs_it_cannot_take_are_left_to_torch() -> None:
    value = torch.randn(16, 8, 3, 3)
    weight, _ = made(value, packs=True)
    for _ in range(5):
        assert conv2d(torch.randn(8, 5, 5), StandIn(weight)).shape == (16, 3, 3)
        assert conv2d(torch.randn(0, 8, 5, 5), StandIn(weight)).shape == (0, 16, 3, 3)


def test_every_use_gives_the_same_bits_whether_the_packed_filter_is_kept_or_not() -> None:
    value, x = torch.randn(64, 32, 3, 3), torch.randn(2, 32, 16, 16)
    for stored in (value, value.half()):
        kept, moment = made(stored, packs=True)[0], made(stored, packs=True, room=0)[0]
        with torch.inference_mode():
            results = [conv2d(x, StandIn(weight)) for weight in (kept, moment) for _ in range(5)]
        assert kept._packed is not None
        assert moment._packed is None
        assert all(torch.equal(result, results[0]) for result in results)


def test_a_filter_of_large_convolutions_is_transformed_beside_the_files_and_undone_exactly() -> None:
    value, other = torch.randn(320, 320, 3, 3), torch.randn(320, 320, 3, 3)
    weight, ledger = made(value, packs=True)
    x, bias = torch.randn(1, 320, 12, 12), torch.randn(320)
    transformed = value.numel() // 9 * 16 * 4
    for wanted in (value, value, other, value):
        if wanted is other:
            weight.write(other)
        else:
            weight.restore()
        with torch.inference_mode():
            results = [conv2d(x, StandIn(weight), bias, padding=1) for _ in range(ONE_OFF_USES + 1)]
        assert_close(results[0], conv2d(x, wanted, bias, padding=1))
        assert all(torch.equal(results[0], result) for result in results)
        assert torch.equal(weight.dense(), wanted)
        assert ledger.own == transformed + (value.nbytes if wanted is other else 0)
    weight.restore()
    assert (ledger.mapped, ledger.own, ledger.room) == (value.nbytes, 0, ROOM)


def test_a_filter_keeps_one_faster_form_at_a_time_and_its_true_value() -> None:
    value = torch.randn(320, 320, 3, 3)
    weight, ledger = made(value, packs=True)
    transformed = value.numel() // 9 * 16 * 4
    for written in (False, True):
        if written:
            weight.write(value)
        for size, held in ((12, transformed + value.nbytes * written), (4, value.nbytes), (12, transformed)):
            x = torch.randn(1, 320, size, size)
            for _ in range(ONE_OFF_USES + 1):
                with torch.inference_mode():
                    assert_close(conv2d(x, StandIn(weight), padding=1), conv2d(x, value, padding=1))
            assert ledger.own >= held
            assert torch.equal(weight.dense(), value)


def test_a_filter_serves_pictures_of_two_sizes_in_turns_without_being_transformed_anew() -> None:
    value = torch.randn(320, 320, 3, 3)
    weight, ledger = made(value, packs=True)
    small, large = value.numel() // 9 * 16 * 4, value.numel() // 9 * 36 * 4
    pictures = torch.randn(1, 320, 16, 16), torch.randn(1, 320, 48, 48)
    with torch.inference_mode():
        for _ in range(ONE_OFF_USES):
            for x in pictures:
                assert_close(conv2d(x, StandIn(weight), padding=1), conv2d(x, value, padding=1))
        kept = dict(weight._derived)
        for x in pictures:
            assert_close(conv2d(x, StandIn(weight), padding=1), conv2d(x, value, padding=1))
    assert [weight._derived[form] is matrices for form, matrices in kept.items()] == [True, True]
    assert (ledger.mapped, ledger.own, ledger.room) == (value.nbytes, small + large, ROOM - small - large)
    weight.restore()
    assert (ledger.own, ledger.room) == (0, ROOM)


def test_a_matrix_that_is_used_again_and_again_is_packed_at_once_and_still_the_files() -> None:
    value, bias = torch.randn(96, 64), torch.randn(96)
    for stored in (value, value.half()):
        ledger = Ledger(room=ROOM)
        weight = CpuWeight(
            partial(torch.Tensor.clone, stored),
            torch.float32,
            ledger,
            packs=False,
            multiplies=True,
            repeats=True,
            release=lambda: None,
        )
        for shape in ((5, 64), (2, 7, 64), (1, 1, 3, 64)):
            x = torch.randn(shape)
            for each, added in ((x, bias), (x.transpose(0, 1) if len(shape) == 3 else x, None)):
                with torch.no_grad():
                    assert_close(linear(each, StandIn(weight), added), linear(each, stored.float(), added))
        assert (ledger.mapped, ledger.own) == (0, value.nbytes)
        assert torch.equal(weight.dense(), stored.float())
        weight.write(2 * value)
        with torch.inference_mode():
            assert_close(linear(x, StandIn(weight)), linear(x, 2 * value))
        assert torch.equal(weight.dense(), 2 * value)
        weight.restore()
        assert torch.equal(weight.dense(), stored.float())

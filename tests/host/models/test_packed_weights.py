"""Modules whose files hold their weights in fewer bytes than they are computed with."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import gguf
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional

from host.models.errors import PatchMismatch
from host.models.library import Library
from host.models.manager import ModelManager
from host.models.residency.devices import CpuDevice, ModelSettings, open_device
from sdk.models import Header, Identity, ModelHandle, Part, Refusal, TensorSource
from tests.host.models.doubles import FakeDevice, patch_set

WIDTH, LAYERS = 256, 5
NUMBERS = (LAYERS + 1) * WIDTH * WIDTH
TABLE, FUSED = "table.weight", "fused.weight"


class Words(nn.Module):
    """A table of words, and layers that the file holds as one."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(WIDTH, WIDTH)
        self.layers = nn.ModuleList(nn.Linear(WIDTH, WIDTH, bias=False) for _ in range(LAYERS))

    def forward(self, words: Tensor) -> Tensor:
        x = self.table(words)
        return torch.stack([layer(x) for layer in self.layers]).sum(0)


@dataclass(frozen=True)
class WordsFamily:
    name: str = "words"

    def identify(self, header: Header) -> Identity | Refusal:
        return Identity(family=self.name, kind="text_encoder", config={}, because="it is the only one")

    def parts(self, header: Header, identity: Identity) -> Sequence[Part]:
        rows = (TensorSource(FUSED, narrow=(0, number * WIDTH, WIDTH)) for number in range(LAYERS))
        layers = {f"layers.{number}.weight": source for number, source in enumerate(rows)}
        return [Part(name="words", build=Words, weights={TABLE: TensorSource(TABLE), **layers})]


def values() -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(3)
    return {
        TABLE: torch.randn(WIDTH, WIDTH, generator=generator),
        FUSED: torch.randn(LAYERS * WIDTH, WIDTH, generator=generator),
    }


def write_fp8(path: Path) -> tuple[Path, Mapping[str, Tensor]]:
    small = {key: value.to(torch.float8_e4m3fn) for key, value in values().items()}
    save_file(small, path / "plain.safetensors")
    return path / "plain.safetensors", {key: value.float() for key, value in small.items()}


def write_scaled(path: Path) -> tuple[Path, Mapping[str, Tensor]]:
    small = {key: value.to(torch.float8_e5m2) for key, value in values().items()}
    scales = {"table.scale_weight": torch.tensor([0.3]), "fused.scale_weight": torch.rand(LAYERS * WIDTH)}
    save_file(small | scales, path / "scaled.safetensors")
    table, fused = scales.values()
    return path / "scaled.safetensors", {
        TABLE: small[TABLE].float() * table,
        FUSED: small[FUSED].float() * fused[:, None],
    }


def write_gguf(kind: str) -> Callable[[Path], tuple[Path, Mapping[str, Tensor]]]:
    def write(path: Path) -> tuple[Path, Mapping[str, Tensor]]:
        target, type_ = path / f"{kind}.gguf", gguf.GGMLQuantizationType[kind]
        writer = gguf.GGUFWriter(target, "words")
        small = {key: gguf.quants.quantize(value.numpy(), type_) for key, value in values().items()}
        for key, blocks in small.items():
            writer.add_tensor(key, blocks, raw_dtype=type_)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        return target, {key: torch.from_numpy(gguf.quants.dequantize(blocks, type_)) for key, blocks in small.items()}

    return write


KINDS = {"fp8": write_fp8, "scaled": write_scaled, "Q8_0": write_gguf("Q8_0"), "Q4_0": write_gguf("Q4_0")}
IN_FILE = {"fp8": 1.0, "scaled": 1.0, "Q8_0": 34 / 32, "Q4_0": 18 / 32}
"""Bytes of a number."""

WORDS = torch.arange(0, WIDTH, 7)


def opened(path: Path, budget: int | None = None) -> tuple[ModelManager, ModelHandle]:
    manager = ModelManager(Library([]), [WordsFamily()], [], CpuDevice(budget))
    return manager, manager.open(path)["words"]


def expected(weights: Mapping[str, Tensor], added: Tensor | None = None) -> Tensor:
    """What the module gives, with something added to its first layer's weight."""
    x = weights[TABLE][WORDS]
    first = 0 if added is None else x @ added.T
    return torch.stack([x @ rows.T for rows in weights[FUSED].chunk(LAYERS)]).sum(0) + first


@pytest.mark.parametrize("kind", KINDS)
def test_weights_stay_as_small_as_in_their_file_and_compute_what_they_stand_for(kind: str, tmp_path: Path) -> None:
    path, weights = KINDS[kind](tmp_path)
    manager, handle = opened(path)

    with manager.borrow(handle) as module, torch.no_grad():
        assert torch.allclose(module(WORDS), expected(weights), atol=1e-3)
        (holding,) = manager.report()
        assert holding.bytes == holding.mapped_bytes
        assert holding.bytes == pytest.approx(IN_FILE[kind] * NUMBERS, rel=0.02)


@pytest.mark.parametrize("kind", KINDS)
def test_they_stay_small_for_good_where_the_budget_says_so(kind: str, tmp_path: Path) -> None:
    path, weights = KINDS[kind](tmp_path)
    manager, handle = opened(path, budget=2 * NUMBERS)

    with manager.borrow(handle) as module, torch.no_grad():
        results = [module(WORDS) for _ in range(4)]
        assert all(torch.allclose(result, expected(weights), atol=1e-3) for result in results)
        (holding,) = manager.report()
        assert holding.bytes < 2 * NUMBERS


@pytest.mark.parametrize("kind", KINDS)
def test_changes_are_made_to_what_they_stand_for_and_undone_exactly(kind: str, tmp_path: Path) -> None:
    path, weights = KINDS[kind](tmp_path)
    manager, handle = opened(path)
    added = torch.randn(WIDTH, WIDTH)
    patched = handle.with_patches(patch_set(layers__0__weight=added), 1.0)

    with torch.no_grad():
        with manager.borrow(handle) as module:
            before = module(WORDS)
        with manager.borrow(patched) as module:
            assert torch.allclose(module(WORDS), expected(weights, added), atol=1e-3)
        with manager.borrow(handle) as module:
            assert torch.equal(module(WORDS), before)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_saved_is_what_they_stand_for(kind: str, tmp_path: Path) -> None:
    path, weights = KINDS[kind](tmp_path)
    manager, handle = opened(path)
    added = torch.randn(WIDTH, WIDTH)

    stored = manager.stored(handle.with_patches(patch_set(layers__0__weight=added), 1.0)).tensors
    whole = weights[FUSED] + functional.pad(added, (0, 0, 0, (LAYERS - 1) * WIDTH))
    assert torch.equal(stored[TABLE].float(), weights[TABLE])
    exact = kind != "fp8"  # eight bits without scales are eight bits again
    assert torch.equal(stored[FUSED].float(), whole if exact else whole.to(torch.float8_e4m3fn).float())
    assert torch.equal(manager.weights(handle)["layers.1.weight"].float(), weights[FUSED][WIDTH : 2 * WIDTH])


def test_weights_rounded_on_the_way_stay_the_pages_of_their_file(tmp_path: Path) -> None:
    path = tmp_path / "whole.safetensors"
    save_file(values(), path)
    manager = ModelManager(Library([]), [WordsFamily()], [], CpuDevice())
    handle = manager.open(path, rounded_to="F8_E4M3")["words"]
    rounded = {key: value.to(torch.float8_e4m3fn).float() for key, value in values().items()}

    with manager.borrow(handle) as module, torch.no_grad():
        assert torch.allclose(module(WORDS), expected(rounded), atol=1e-3)
        (holding,) = manager.report()
        assert holding.bytes == holding.mapped_bytes == 4 * NUMBERS


def on_device(path: Path, budget: int) -> tuple[ModelManager, ModelHandle]:
    manager = ModelManager(Library([]), [WordsFamily()], [], FakeDevice(budget), ModelSettings(dtype="fp32"))
    return manager, manager.open(path)["words"]


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_a_device_holds_them_as_small_as_their_file_does(kind: str, streamed: bool, tmp_path: Path) -> None:
    path, weights = KINDS[kind](tmp_path)
    size = int(NUMBERS * IN_FILE[kind])
    manager, handle = on_device(path, 3 * size // 4 if streamed else 2 * size)

    with manager.borrow(handle) as module, torch.no_grad():
        for _ in range(3):
            assert torch.allclose(module(WORDS), expected(weights), atol=1e-3)
        (holding,) = manager.report()
        assert holding.bytes + holding.streamed_bytes == pytest.approx(size, rel=0.02)
        assert (holding.streamed_bytes > 0) == streamed


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_changes_on_a_device_take_no_further_room_and_are_undone_exactly(
    kind: str, streamed: bool, tmp_path: Path
) -> None:
    path, weights = KINDS[kind](tmp_path)
    size = int(NUMBERS * IN_FILE[kind])
    manager, handle = on_device(path, 3 * size // 4 if streamed else 2 * size)
    added, table = torch.randn(WIDTH, WIDTH), torch.randn(WIDTH, WIDTH)
    patched = handle.with_patches(patch_set(layers__0__weight=added, table__weight=table), 1.0)

    with torch.no_grad():
        with manager.borrow(handle) as module:
            before, held = module(WORDS), manager.report()[0].bytes
        with manager.borrow(patched) as module:
            changed = {**weights, TABLE: weights[TABLE] + table}
            assert torch.allclose(module(WORDS), expected(changed, added), atol=1e-3)
            assert manager.report()[0].bytes == held
        with manager.borrow(handle) as module:
            assert torch.equal(module(WORDS), before)


def test_a_change_that_does_not_fit_is_an_error_before_anything_is_computed(tmp_path: Path) -> None:
    path, _ = write_fp8(tmp_path)
    manager, handle = on_device(path, 10 * NUMBERS)
    wrong = handle.with_patches(patch_set(layers__0__weight=torch.randn(3, 3)), 1.0)
    borrowed = []
    with pytest.raises(PatchMismatch, match=r"layers\.0"), manager.borrow(wrong) as module:
        borrowed.append(module)
    assert borrowed == []


def test_weights_rounded_on_the_way_to_a_device_are_as_small_there(tmp_path: Path) -> None:
    path = tmp_path / "whole.safetensors"
    save_file(values(), path)
    manager = ModelManager(Library([]), [WordsFamily()], [], FakeDevice(10**9), ModelSettings(dtype="fp32"))
    handle = manager.open(path, rounded_to="F8_E4M3")["words"]
    rounded = {key: value.to(torch.float8_e4m3fn).float() for key, value in values().items()}

    with manager.borrow(handle) as module, torch.no_grad():
        assert torch.allclose(module(WORDS), expected(rounded), atol=1e-3)
        assert manager.report()[0].bytes == NUMBERS


@pytest.mark.gpu
@pytest.mark.skipif(
    not torch.cuda.is_available(), reason="needs a CUDA device; run it with -m gpu on a machine with one"
)
@pytest.mark.parametrize("kind", KINDS)
def test_on_a_real_device_they_are_widened_and_streamed(kind: str, tmp_path: Path) -> None:
    path, weights = KINDS[kind](tmp_path)
    added = torch.randn(WIDTH, WIDTH)
    for budget in (10**9, int(NUMBERS * IN_FILE[kind]) * 3 // 4):
        manager = ModelManager(
            Library([]), [WordsFamily()], [], open_device("cuda", budget), ModelSettings(dtype="fp32")
        )
        handle = manager.open(path)["words"].with_patches(patch_set(layers__0__weight=added), 1.0)
        with manager.borrow(handle) as module, torch.no_grad():
            for _ in range(2):
                assert torch.allclose(module(WORDS.cuda()).cpu(), expected(weights, added), atol=1e-2)
            assert manager.report()[0].bytes <= budget

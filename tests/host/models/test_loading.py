from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers import CLIPTextConfig, CLIPTextModel

from host.models.errors import WeightsMismatch
from host.models.files.header import read_header
from host.models.loading import assemble, put, seen, stored_dtype
from sdk.models import Header, Part, TensorInfo, TensorSource
from tests.host.models.doubles import Net, net_part, net_tensors, write_net


def part_of(build: Callable[[], nn.Module], weights: dict[str, Any]) -> Part:
    sources = {name: TensorSource(key) if isinstance(key, str) else key for name, key in weights.items()}
    return Part(name="denoiser", build=build, weights=sources)


def saved(path: Path, **tensors: Tensor) -> Any:
    save_file({name.replace("__", "."): tensor for name, tensor in tensors.items()}, path / "m.safetensors")
    return read_header(path / "m.safetensors")


def test_weights_are_blank_and_their_slots_in_the_files_order(tmp_path: Path) -> None:
    write_net(tmp_path / "m.safetensors", dtype=torch.float16)
    header = read_header(tmp_path / "m.safetensors")
    assembled = assemble(net_part("denoiser", 8), header)
    assert [slot.source.key for slot in assembled.slots] == list(header.tensors)
    assert {slot.stored for slot in assembled.slots} == {torch.float16}
    for parameter in assembled.module.parameters():
        assert parameter.untyped_storage().nbytes() == 2
    assert not assembled.module.training
    assert not any(parameter.requires_grad for parameter in assembled.module.parameters())


def test_building_allocates_no_weights(tmp_path: Path) -> None:
    seen_devices: list[str] = []

    def build() -> nn.Module:
        net = Net(8)
        seen_devices.extend(parameter.device.type for parameter in net.parameters())
        return net

    write_net(tmp_path / "m.safetensors")
    assemble(replace(net_part("denoiser", 8), build=build), read_header(tmp_path / "m.safetensors"))
    assert set(seen_devices) == {"meta"}


def test_buffers_of_a_transformers_model_that_no_file_holds_are_right() -> None:
    config = CLIPTextConfig(
        vocab_size=20, hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=2,
        max_position_embeddings=7, bos_token_id=0, eos_token_id=1,
    )  # fmt: skip
    expected = CLIPTextModel(config).eval()
    state = expected.state_dict()
    header = Header(Path("m"), {name: TensorInfo("F32", tuple(tensor.shape)) for name, tensor in state.items()})
    module = assemble(part_of(lambda: CLIPTextModel(config), {name: name for name in state}), header).module
    assert dict(module.named_buffers()).keys() == dict(expected.named_buffers()).keys()
    for name, buffer in expected.named_buffers():
        assert torch.equal(module.get_buffer(name), buffer)
    for name, tensor in state.items():
        put(module, [name], tensor)
    ids = torch.tensor([[0, 5, 6, 1]])
    assert torch.equal(module(ids).last_hidden_state, expected(ids).last_hidden_state)


def test_sources_are_views_transposed_narrowed_and_reshaped_in_this_order() -> None:
    content = torch.arange(24.0).reshape(6, 4)
    source = TensorSource("w", transpose=True, narrow=(1, 2, 3), reshape=(2, 2, 3))
    view = seen(content, replace(source, reshape=None))
    assert view is not None
    assert torch.equal(view, content.T[:, 2:5])
    assert view.untyped_storage().data_ptr() == content.untyped_storage().data_ptr()
    whole = seen(content, source)
    assert whole is not None
    assert torch.equal(whole, content.T[:, 2:5].reshape(2, 2, 3))


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Linear(3, 3, bias=False)
        self.b = nn.Linear(3, 3, bias=False)
        self.b.weight = self.a.weight


@pytest.mark.parametrize("name", ["a.weight", "b.weight"])
def test_tied_weights_need_one_source_and_stay_tied(name: str, tmp_path: Path) -> None:
    assembled = assemble(part_of(Tied, {name: "w"}), saved(tmp_path, w=torch.eye(3)))
    tied: Any = assembled.module
    assert tied.a.weight is tied.b.weight
    assert assembled.slots[0].names == ("a.weight", "b.weight")


class FilledBuffers(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("zeros", torch.zeros(2), persistent=False)
        self.register_buffer("table", 1.0 / 10 ** torch.linspace(0, 1, 3), persistent=False)
        self.scale = nn.Parameter(torch.ones(2))


def test_weights_that_were_filled_while_building_are_replaced_and_buffers_kept(tmp_path: Path) -> None:
    assembled = assemble(part_of(FilledBuffers, {"scale": "s"}), saved(tmp_path, s=torch.full((2,), 7.0)))
    module: Any = assembled.module
    put(module, assembled.slots[0].names, torch.full((2,), 7.0))
    assert sorted(assembled.fixed) == ["table", "zeros"]
    assert (module.scale.tolist(), module.zeros.tolist()) == ([7, 7], [0, 0])
    assert torch.equal(module.table, 1.0 / 10 ** torch.linspace(0, 1, 3))


class UnfilledBuffer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("table", torch.empty(2), persistent=False)


def test_a_buffer_that_nothing_fills_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(WeightsMismatch, match=r"table \(has no value after building"):
        assemble(part_of(UnfilledBuffer, {}), saved(tmp_path, s=torch.ones(2)))


def test_all_faults_are_reported_together(tmp_path: Path) -> None:
    tensors = net_tensors(8)
    tensors |= {"first.weight": torch.zeros(8, 9)}
    save_file({"model.net." + key: tensor for key, tensor in tensors.items()}, tmp_path / "m.safetensors")
    part = net_part("denoiser", 8)
    weights = dict(part.weights) | {
        "first.bias": TensorSource("no.such"),
        "nobody": TensorSource("model.net.first.bias"),
    }
    del weights["norm.bias"]
    with pytest.raises(WeightsMismatch) as caught:
        assemble(replace(part, weights=weights), read_header(tmp_path / "m.safetensors"))
    error = caught.value
    assert error.missing == ("first.bias (from no.such)",)
    assert error.mismatched == ("first.weight [8, 8] (from model.net.first.weight [8, 9])",)
    assert (error.unmapped, error.unknown) == (("norm.bias",), ("nobody",))
    assert "1 missing from the file" in str(error)
    assert "1 of another shape" in str(error)


@pytest.mark.parametrize(
    "source",
    [TensorSource("w", narrow=(0, 2, 9)), TensorSource("w", narrow=(5, 0, 1)), TensorSource("w", reshape=(7,))],
)
def test_a_source_that_cannot_be_had_is_a_mismatch(source: TensorSource, tmp_path: Path) -> None:
    with pytest.raises(WeightsMismatch) as caught:
        assemble(part_of(lambda: nn.Linear(3, 3, bias=False), {"weight": source}), saved(tmp_path, w=torch.eye(3)))
    assert len(caught.value.mismatched) == 1


def test_many_faults_are_counted_and_the_first_few_named(tmp_path: Path) -> None:
    build = lambda: nn.Sequential(*(nn.Linear(1, 1) for _ in range(20)))  # noqa: E731
    with pytest.raises(WeightsMismatch, match=r"40 missing from the file: .* and 32 more"):
        assemble(part_of(build, {name: f"x.{name}" for name in build().state_dict()}), saved(tmp_path, s=torch.ones(1)))


def test_unused_tensors_below_the_parts_prefix_are_logged_and_others_ignored(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    content = {"model.net." + key: tensor for key, tensor in net_tensors(8).items()}
    content |= {"model.net.extra": torch.ones(1), "model_ema.decay": torch.ones(1), "vae.used": torch.ones(1)}
    content |= {"model.net.positions": torch.arange(8)}
    save_file(content, tmp_path / "m.safetensors")
    with caplog.at_level(logging.WARNING):
        assemble(net_part("denoiser", 8), read_header(tmp_path / "m.safetensors"), frozenset({"vae.used"}))
    assert [record.getMessage().split(": ", 1)[1] for record in caplog.records] == [
        "1 tensors are not used by its denoiser: model.net.extra"
    ]


def test_putting_a_tensor_keeps_the_parameter_object() -> None:
    module = nn.Linear(2, 2).requires_grad_(False)
    parameter = module.weight
    put(module, ["weight"], torch.ones(2, 2, dtype=torch.float16))
    assert module.weight is parameter
    assert module.weight.dtype == torch.float16


def test_the_stored_dtype_is_that_of_most_bytes() -> None:
    tensors = {"a": TensorInfo("F16", (10,)), "b": TensorInfo("F32", (2,)), "c": TensorInfo("I64", (99,))}
    part = part_of(Tied, {name: name for name in tensors})
    assert stored_dtype(part, Header(Path("m"), tensors)) == torch.float16
    assert stored_dtype(part, Header(Path("m"), {})) == torch.float32

"""``comfy.utils`` resizes, repeats, tiles and reads tensors."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from host.comfyui.surface import tensor_tools, tiles
from host.models.errors import ModelError


@pytest.mark.parametrize("method", ["nearest-exact", "bilinear", "area", "bicubic", "lanczos", "bislerp"])
def test_samples_are_resized_by_every_method(method: str) -> None:
    samples = torch.ones(2, 4, 6, 8)
    resized = tensor_tools.common_upscale(samples, 16, 3, method, "disabled")
    assert resized.shape == (2, 4, 3, 16)
    assert resized.allclose(torch.ones_like(resized), atol=1e-6)


def test_samples_are_cut_to_the_wanted_proportions_first() -> None:
    samples = torch.arange(8.0).expand(1, 1, 4, 8)
    resized = tensor_tools.common_upscale(samples, 4, 4, "nearest-exact", "center")
    assert resized[0, 0, 0].tolist() == [2, 3, 4, 5]


def test_the_methods_have_functions_of_their_own() -> None:
    samples = torch.rand(1, 3, 4, 4)
    for function, name in ((tensor_tools.bislerp, "bislerp"), (tensor_tools.lanczos, "lanczos")):
        assert function(samples, 7, 5).equal(tensor_tools.common_upscale(samples, 7, 5, name, "disabled"))


@pytest.mark.parametrize(("count", "expected"), [(2, [0, 1]), (3, [0, 1, 2]), (7, [0, 1, 2, 0, 1, 2, 0])])
def test_batches_are_repeated_or_cut(count: int, expected: list[int]) -> None:
    assert tensor_tools.repeat_to_batch_size(torch.arange(3), count).tolist() == expected
    assert tensor_tools.repeat_to_batch_size(torch.arange(3)[None], count, dim=1).tolist() == [expected]


@pytest.mark.parametrize(
    ("count", "expected"),
    [(0, []), (1, [0.0]), (2, [0.0, 4.0]), (3, [0.0, 2.0, 4.0]), (5, [0.0, 0.0, 2.0, 4.0, 4.0])],
)
def test_batches_are_spread_evenly(count: int, expected: list[float]) -> None:
    batch = torch.tensor([[0.0], [2.0], [4.0]])
    assert tensor_tools.resize_to_batch_size(batch, count).flatten().tolist() == expected


@given(
    size=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    tile=st.tuples(st.integers(9, 20), st.integers(9, 20)),
    overlap=st.integers(0, 8),
    scale=st.sampled_from([1, 2, 4]),
)
def test_tiles_of_a_local_function_make_the_whole(
    size: tuple[int, int], tile: tuple[int, int], overlap: int, scale: int
) -> None:
    samples = torch.arange(2.0 * size[0] * size[1]).reshape(2, 1, *size)
    calls: list[torch.Size] = []

    def enlarged(cut: torch.Tensor) -> torch.Tensor:
        calls.append(cut.shape)
        return torch.nn.functional.interpolate(cut, scale_factor=scale, mode="nearest").expand(-1, 3, -1, -1)

    whole = tiles.tiled_scale(samples, enlarged, tile[1], tile[0], overlap, upscale_amount=scale, out_channels=3)
    assert whole.allclose(enlarged(samples), rtol=1e-4)
    steps = tiles.get_tiled_scale_steps(size[1], size[0], tile[1], tile[0], overlap)
    assert len(calls) - 1 == 2 * steps
    assert all(shape[2] <= tile[0] and shape[3] <= tile[1] for shape in calls[:-1])


def test_tiles_may_shrink_and_have_any_number_of_dimensions() -> None:
    samples = torch.arange(64.0).reshape(1, 1, 64)
    halves = tiles.tiled_scale_multidim(
        samples, lambda cut: cut[..., ::2], (16,), overlap=4, upscale_amount=2, out_channels=1, downscale=True
    )
    assert halves.flatten().tolist() == pytest.approx(list(range(0, 64, 2)))


def test_each_tile_advances_the_bar() -> None:
    class Bar:
        at = 0

        def update(self, value: int) -> None:
            self.at += value

    bar = Bar()
    tiles.tiled_scale(torch.zeros(1, 3, 32, 32), lambda cut: cut, 16, 16, 0, upscale_amount=1, pbar=bar)
    assert bar.at == 4


def test_tensors_are_read_with_what_the_header_says(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    save_file({"x": torch.arange(3.0)}, path, {"format": "pt"})
    tensors, metadata = tensor_tools.load_torch_file(path, return_metadata=True)
    assert tensors["x"].tolist() == [0.0, 1.0, 2.0]
    assert metadata == {"format": "pt"}
    assert tensor_tools.load_torch_file(str(path), safe_load=True, device=torch.device("cpu")).keys() == {"x"}


def test_what_is_read_may_be_written_to(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    save_file({"x": torch.arange(3.0)}, path)
    tensor_tools.load_torch_file(path)["x"].add_(1)
    assert load_file(path)["x"].tolist() == [0.0, 1.0, 2.0]


def test_what_is_read_without_gradients_tells_of_a_change(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    save_file({"x": torch.arange(3.0)}, path)
    with torch.inference_mode():
        tensors = tensor_tools.load_torch_file(path)
        assert tensors.unchanged
        tensors["x"].add_(1)
    assert not tensors.unchanged


class Harmful:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return print, ("a file has run code",)


@pytest.mark.parametrize("safe_load", [True, False])
def test_a_pickle_that_runs_code_is_refused(
    tmp_path: Path, safe_load: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.pt"
    torch.save({"x": torch.ones(1), "y": Harmful()}, path, pickle_module=pickle)
    with pytest.raises(ModelError):
        tensor_tools.load_torch_file(path, safe_load=safe_load)
    assert capsys.readouterr().out == ""


def test_files_are_written_whole(tmp_path: Path) -> None:
    path = tmp_path / "out.safetensors"
    tensor_tools.save_torch_file({"x": torch.arange(6.0).reshape(2, 3).T}, str(path), {"a": "b"})
    assert load_file(path)["x"].shape == (3, 2)
    with pytest.raises(AttributeError):
        tensor_tools.save_torch_file({"x": 5}, str(path))  # type: ignore[dict-item]
    assert [item.name for item in tmp_path.iterdir()] == ["out.safetensors"]


def test_the_header_of_a_file_is_given_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    save_file({"x": torch.ones(2)}, path)
    header = tensor_tools.safetensors_header(str(path))
    assert header is not None
    assert b'"x"' in header
    assert tensor_tools.safetensors_header(str(path), max_size=3) is None


def test_keys_are_renamed_by_prefix() -> None:
    state = {"model.a": 1, "model.b": 2, "other": 3}
    assert tensor_tools.state_dict_prefix_replace(dict(state), {"model.": "net."}) == {
        "net.a": 1, "net.b": 2, "other": 3,
    }  # fmt: skip
    assert tensor_tools.state_dict_prefix_replace(dict(state), {"model.": ""}, filter_keys=True) == {"a": 1, "b": 2}


def test_parameters_are_counted_by_prefix() -> None:
    state = {"a.x": torch.ones(2, 3), "b.x": torch.ones(4)}
    assert (tensor_tools.calculate_parameters(state), tensor_tools.calculate_parameters(state, "a.")) == (10, 6)


def test_attributes_are_reached_by_dotted_names() -> None:
    layer = torch.nn.Sequential(torch.nn.Linear(1, 1))
    before = tensor_tools.set_attr(layer, "0.bias", None)
    assert tensor_tools.get_attr(layer, "0.bias") is None
    assert before.shape == (1,)


def test_seeds_are_made_of_text() -> None:
    assert tensor_tools.string_to_seed("123456789") == 0xCBF43926
    assert tensor_tools.string_to_seed(b"123456789") == 0xCBF43926

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from host.builtin_nodes.families.sampled_model import parametrisation_of
from host.builtin_nodes.merging.errors import UnsuitableLayout
from host.builtin_nodes.merging.extract_nodes import NothingToSave, lora_save
from host.builtin_nodes.merging.nodes import clip_merge_subtract, model_merge_simple, model_merge_subtract
from host.builtin_nodes.merging.save_nodes import checkpoint_save, clip_save, model_save, vae_save
from host.builtin_nodes.model_sampling import model_sampling_discrete
from host.models.errors import NoFileBehind
from sdk import CONFIG_METADATA, ModelHandle
from tests.support.node_context import LoneContext


@pytest.fixture
def one(context: LoneContext, checkpoints: Path) -> Mapping[str, ModelHandle]:
    found: Mapping[str, ModelHandle] = context.models.open(checkpoints / "one.safetensors")
    return found


@pytest.fixture
def two(context: LoneContext, checkpoints: Path) -> Mapping[str, ModelHandle]:
    found: Mapping[str, ModelHandle] = context.models.open(checkpoints / "two.safetensors")
    return found


def output(context: LoneContext) -> Path:
    return context.folders.place("x").folder


def saved(context: LoneContext, result: Any, number: int = 0) -> Path:
    shown = result.ui["models"][number]
    return output(context) / shown["subfolder"] / shown["filename"]


def weights_of(context: LoneContext, handle: ModelHandle) -> dict[str, Tensor]:
    with context.models.borrow(handle) as module:
        return {name: value.detach().clone() for name, value in module.state_dict().items()}


def test_a_saved_checkpoint_is_the_file_it_was_loaded_from(context: LoneContext, one: Any, checkpoints: Path) -> None:
    result = checkpoint_save(context, one["denoiser"], one["text_encoder"], one["vae"])
    before, after = load_file(checkpoints / "one.safetensors"), load_file(saved(context, result))
    assert before.keys() == after.keys()
    assert all(torch.equal(before[key], after[key]) for key in before)


def test_a_saved_merge_opens_as_the_merge(context: LoneContext, one: Any, two: Any) -> None:
    merge = model_merge_simple(one["denoiser"], two["denoiser"], context, 0.5)
    path = saved(context, checkpoint_save(context, merge, one["text_encoder"], one["vae"], "merged/half"))
    again = context.models.open(path)
    assert again.keys() == one.keys()
    expected = {name: value.half().float() for name, value in weights_of(context, merge).items()}
    found = weights_of(context, again["denoiser"])
    assert all(torch.equal(found[name], value) for name, value in expected.items())


def test_the_workflow_and_what_shapes_do_not_tell_go_with_it(context: LoneContext, one: Any) -> None:
    parts = (one["denoiser"], one["text_encoder"], one["vae"])
    result = checkpoint_save(context, *parts, prompt={"1": {}}, extra_pnginfo={"workflow": [1]})
    with safe_open(saved(context, result), "pt") as file:
        metadata = file.metadata()
    assert (json.loads(metadata["prompt"]), json.loads(metadata["workflow"])) == ({"1": {}}, [1])
    assert json.loads(metadata[CONFIG_METADATA]) == {"unet.heads": 4, "clip_l.heads": 4}
    assert metadata["modelspec.architecture"] == "stable-diffusion-v1"
    assert metadata["modelspec.predict_key"] == "epsilon"


def test_parts_saved_alone_are_known_again(context: LoneContext, one: Any) -> None:
    files = {
        "denoiser": model_save(context, one["denoiser"]),
        "text_encoder": clip_save(context, one["text_encoder"]),
        "vae": vae_save(context, one["vae"]),
    }
    for part, result in files.items():
        again = context.models.open(saved(context, result))
        assert list(again) == [part]
        before, after = (weights_of(context, handle) for handle in (one[part], again[part]))
        assert before.keys() == after.keys()
        assert all(torch.equal(before[name], after[name]) for name in before)
    assert "clip_l" in saved(context, files["text_encoder"]).name


def test_a_text_encoder_and_a_vae_of_their_own_files_find_their_places(
    context: LoneContext, one: Any, checkpoints: Path
) -> None:
    text = context.models.open(saved(context, clip_save(context, one["text_encoder"])))["text_encoder"]
    vae = context.models.open(saved(context, vae_save(context, one["vae"])))["vae"]
    again = load_file(saved(context, checkpoint_save(context, one["denoiser"], text, vae)))
    before = load_file(checkpoints / "one.safetensors")
    assert before.keys() == again.keys()
    assert all(torch.equal(before[key], again[key]) for key in before)


def test_a_part_that_comes_from_no_file_is_refused_and_nothing_is_written(context: LoneContext, one: Any) -> None:
    handle = context.models.adopt("test", torch.nn.Linear(1, 1))
    with pytest.raises(NoFileBehind):
        model_save(context, handle)
    assert not list(output(context).rglob("*.safetensors"))


def test_a_text_encoder_of_another_kind_has_no_place_in_a_checkpoint(context: LoneContext, one: Any) -> None:
    from host.builtin_nodes.merging.checkpoint_layout import text_in_checkpoint

    with pytest.raises(UnsuitableLayout, match="t5xxl"):
        text_in_checkpoint("sd1", {"t5xxl": {}})


def test_an_extracted_lora_of_full_rank_is_the_whole_difference(context: LoneContext, one: Any, two: Any) -> None:
    model = model_merge_subtract(two["denoiser"], one["denoiser"], context, 1.0)
    text = clip_merge_subtract(two["text_encoder"], one["text_encoder"], context, 1.0)
    result = lora_save(
        context=context, rank=4096, lora_type="standard", bias_diff=True, model_diff=model, text_encoder_diff=text
    )
    path = saved(context, result)
    for part in ("denoiser", "text_encoder"):
        (patches,) = context.models.read_patches(path, [one[part]])
        assert patches.deltas
        found = weights_of(context, one[part].with_patches(patches, 1.0))
        for name, value in weights_of(context, two[part]).items():
            if name in patches.deltas:
                torch.testing.assert_close(found[name], value, rtol=1e-4, atol=1e-4)


def test_a_low_rank_keeps_the_largest_directions_and_what_does_not_differ_is_left_out(
    context: LoneContext, one: Any, two: Any
) -> None:
    half = model_merge_simple(one["denoiser"], two["denoiser"], context, 0.5)
    difference = model_merge_subtract(half, one["denoiser"], context, 1.0)
    options = {"context": context, "lora_type": "standard", "bias_diff": False}
    small = load_file(saved(context, lora_save(rank=2, model_diff=difference, **options)))
    assert {tensor.shape[0] for key, tensor in small.items() if key.endswith("lora_down.weight")} == {2}
    assert not any(key.endswith(".diff_b") for key in small)
    same = model_merge_subtract(one["denoiser"], one["denoiser"], context, 1.0)
    assert not load_file(saved(context, lora_save(rank=2, model_diff=same, **options)))


def test_whole_differences_are_saved_whole(context: LoneContext, one: Any, two: Any) -> None:
    model = model_merge_subtract(two["denoiser"], one["denoiser"], context, 1.0)
    path = saved(context, lora_save(context=context, lora_type="full_diff", bias_diff=True, model_diff=model))
    tensors = load_file(path)
    key = "diffusion_model.input_blocks.0.0"
    first, second = (weights_of(context, parts["denoiser"]) for parts in (one, two))
    torch.testing.assert_close(tensors[f"{key}.diff"], second["conv_in.weight"] - first["conv_in.weight"])
    torch.testing.assert_close(tensors[f"{key}.diff_b"], second["conv_in.bias"] - first["conv_in.bias"])


def test_without_any_difference_there_is_nothing_to_save(context: LoneContext) -> None:
    with pytest.raises(NothingToSave, match="ModelMergeSubtract"):
        lora_save(context=context, lora_type="standard")


def marks_in(path: Path) -> set[str]:
    return {"v_pred", "ztsnr"} & load_file(path).keys()


@pytest.mark.parametrize(
    ("sampling", "zsnr", "marks", "key"),
    [
        ("v_prediction", False, {"v_pred"}, "v"),
        ("v_prediction", True, {"v_pred", "ztsnr"}, "v"),
        ("eps", True, {"ztsnr"}, "epsilon"),
        ("eps", False, set(), "epsilon"),
    ],
)
def test_a_changed_prediction_is_saved_and_read_back(
    context: LoneContext, one: Any, sampling: Any, zsnr: bool, marks: set[str], key: str
) -> None:
    changed = model_sampling_discrete(model=one["denoiser"], sampling=sampling, zsnr=zsnr)
    for result in (
        model_save(context, changed),
        checkpoint_save(context, changed, one["text_encoder"], one["vae"]),
    ):
        path = saved(context, result)
        assert marks_in(path) == marks
        with safe_open(path, "pt") as file:
            assert file.metadata()["modelspec.predict_key"] == key
        again = context.models.open(path)["denoiser"]
        assert torch.equal(parametrisation_of(again).sigmas, parametrisation_of(changed).sigmas)
        assert type(parametrisation_of(again).prediction) is type(parametrisation_of(changed).prediction)
    assert not any(isinstance(line, str) for line in context.said)


def test_a_prediction_set_back_to_noise_loses_its_marks(context: LoneContext, one: Any) -> None:
    velocity = model_sampling_discrete(model=one["denoiser"], sampling="v_prediction", zsnr=True)
    marked = context.models.open(saved(context, model_save(context, velocity)))["denoiser"]
    noise = model_sampling_discrete(model=marked, sampling="eps")
    path = saved(context, model_save(context, noise))
    assert marks_in(path) == set()
    assert context.models.open(path)["denoiser"].identity.config["prediction"] == "eps"
    # What nobody changed stays.
    assert marks_in(saved(context, model_save(context, marked))) == {"v_pred", "ztsnr"}


@pytest.mark.parametrize("sampling", ["lcm", "x0"])
def test_what_a_file_cannot_say_of_sampling_is_told(context: LoneContext, one: Any, sampling: Any) -> None:
    changed = model_sampling_discrete(model=one["denoiser"], sampling=sampling)
    path = saved(context, model_save(context, changed))
    assert marks_in(path) == set()
    assert any("apply the node again" in line for line in context.said if isinstance(line, str))


def test_the_key_of_the_metadata_standard_is_read(context: LoneContext, one: Any, tmp_path: Path) -> None:
    path = saved(context, model_save(context, one["denoiser"]))
    tensors = load_file(path)
    heads = json.dumps({"unet.heads": 4})
    for key, prediction in (("v", "v"), ("epsilon", "eps")):
        named = tmp_path / f"{key}.safetensors"
        save_file(tensors, named, {CONFIG_METADATA: heads, "modelspec.predict_key": key})
        assert context.models.open(named)["denoiser"].identity.config["prediction"] == prediction

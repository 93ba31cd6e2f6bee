"""Packs open model files by their paths and change models with files of changes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from host.builtin_nodes.text.bundled_embeddings import BUNDLED_EMBEDDINGS
from host.comfyui.surface import sd, tensor_tools
from sdk.errors import NodeError
from tests.support.comfy_probe import ProbedHost

KEY = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q"


def lora(strength: float = 1.0) -> dict[str, torch.Tensor]:
    up, down = torch.full((32, 2), strength), torch.ones(2, 32)
    return {f"{KEY}.lora_up.weight": up, f"{KEY}.lora_down.weight": down, f"{KEY}.alpha": torch.tensor(2.0)}


def checkpoint(probed: ProbedHost) -> str:
    return str(probed.base / "models" / "checkpoints" / "tiny.safetensors")


def test_a_checkpoint_gives_its_parts(probed: ProbedHost) -> None:
    def look(model: Any, clip: Any, vae: Any) -> Any:
        parts = sd.load_checkpoint_guess_config(checkpoint(probed), output_vae=True, output_clip=True)
        without = sd.load_checkpoint_guess_config(checkpoint(probed), output_vae=False, output_model=False)
        return parts[:3] == (model, clip, vae), parts[3], [part is None for part in without]

    assert probed.inside(look) == (True, None, [True, False, True, True])


@pytest.mark.parametrize("with_model", [True, False])
def test_a_part_that_is_missing_says_so_where_it_is_used(probed: ProbedHost, tmp_path: Path, with_model: bool) -> None:
    tensors = load_file(checkpoint(probed))
    kept = {name: tensor for name, tensor in tensors.items() if not name.startswith("first_stage_model.")}
    with safe_open(checkpoint(probed), "pt") as file:
        save_file(kept, tmp_path / "no_vae.safetensors", file.metadata())

    def look(_model: Any, _clip: Any, _vae: Any) -> Any:
        path = tmp_path / "no_vae.safetensors"
        model, clip, vae, _ = sd.load_checkpoint_guess_config(path, output_clip=False, output_model=with_model)
        with pytest.raises(NodeError, match=r"no_vae\.safetensors"):
            vae.decode(torch.zeros(1, 4, 8, 8))
        return model is not None, clip

    assert probed.inside(look) == (with_model, None)


def test_a_vae_may_be_made_of_a_file_s_tensors(probed: ProbedHost) -> None:
    def look(_model: Any, _clip: Any, vae: Any) -> Any:
        made = sd.VAE(sd=tensor_tools.load_torch_file(checkpoint(probed)))
        made.throw_exception_if_invalid()
        latent = torch.ones(1, 4, 8, 8)
        return made.decode(latent).equal(vae.decode(latent))

    assert probed.inside(look)


@pytest.mark.parametrize("changed", [False, True])
def test_a_lora_changes_the_model(probed: ProbedHost, tmp_path: Path, changed: bool) -> None:
    save_file(lora(0.5 if changed else 1.0), tmp_path / "lora.safetensors")

    def look(model: Any, clip: Any, _vae: Any) -> Any:
        tensors = tensor_tools.load_torch_file(tmp_path / "lora.safetensors")
        if changed:
            tensors[f"{KEY}.lora_up.weight"] = tensors[f"{KEY}.lora_up.weight"] * 2
        patched, same = sd.load_lora_for_models(model, clip, tensors, 0.5, 1.0)
        assert same == clip
        assert patched.is_clone(model)
        (name,) = patched.handle.patches[0][0].deltas
        weights = patched.context.models.weights
        return weights(patched.handle)[name] - weights(model.handle)[name].float()

    assert probed.inside(look).allclose(torch.full((32, 32), 1.0), atol=1e-3)


def test_a_lora_of_strength_zero_changes_nothing(probed: ProbedHost, tmp_path: Path) -> None:
    save_file(lora(), tmp_path / "lora.safetensors")

    def look(model: Any, _clip: Any, _vae: Any) -> Any:
        patched, clip = sd.load_lora_for_models(
            model, None, tensor_tools.load_torch_file(tmp_path / "lora.safetensors"), 0, 0
        )
        return patched == model, clip

    assert probed.inside(look) == (True, None)


def test_embeddings_that_a_lora_brings_reach_the_text_encoder(probed: ProbedHost, tmp_path: Path) -> None:
    save_file({"bundle_emb.ink.clip_l": torch.ones(2, 64)}, tmp_path / "lora.safetensors")

    def look(model: Any, clip: Any, _vae: Any) -> Any:
        tensors = tensor_tools.load_torch_file(tmp_path / "lora.safetensors")
        same, taught = sd.load_lora_for_models(model, clip, tensors, 1.0, 1.0)
        assert same == model
        return taught.handle.options[BUNDLED_EMBEDDINGS]["ink"]["clip_l"]

    assert probed.inside(look).equal(torch.ones(2, 64))


def test_a_lora_that_fits_nothing_is_refused(probed: ProbedHost) -> None:
    def look(model: Any, clip: Any, _vae: Any) -> Any:
        with pytest.raises(NodeError, match="fits the model"):
            sd.load_lora_for_models(model, clip, {"strange": torch.ones(1)}, 1.0, 1.0)
        return True

    assert probed.inside(look)


def test_a_text_encoder_for_a_model_nobody_knows_is_refused(probed: ProbedHost) -> None:
    def look(_model: Any, _clip: Any, _vae: Any) -> Any:
        with pytest.raises(NodeError, match="'hunyuan_dit' can't be used here yet"):
            sd.load_clip([checkpoint(probed)], clip_type=sd.CLIPType.HUNYUAN_DIT)
        return True

    assert probed.inside(look)


def test_files_are_opened_in_nodes_alone(probed: ProbedHost) -> None:
    with pytest.raises(NodeError, match="load_checkpoint_guess_config works only while a node runs"):
        sd.load_checkpoint_guess_config(checkpoint(probed))

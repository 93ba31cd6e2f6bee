from __future__ import annotations

import pytest

from host.builtin_nodes.families.kl_vae.names import module_names
from host.builtin_nodes.families.refusals import LayoutError
from tests.host.builtin_nodes.families.real_headers import real_files


def test_the_original_layout_gets_the_names_of_diffusers() -> None:
    found = module_names(real_files()["vae_sd_kl_f8"]["tensors"])
    assert set(found) == set(real_files()["vae_sd_diffusers"]["tensors"])


def test_attention_names_before_the_renaming_are_known() -> None:
    new = list(real_files()["vae_sd_diffusers"]["tensors"])
    renamed = {".to_q.": ".query.", ".to_k.": ".key.", ".to_v.": ".value.", ".to_out.0.": ".proj_attn."}
    old = []
    for key in new:
        for name, former in renamed.items():
            key = key.replace(name, former)
        old.append(key)
    assert old != new
    assert set(module_names(old)) == set(new)


def test_what_training_left_behind_is_passed_over() -> None:
    keys = [*real_files()["vae_sd_kl_f8"]["tensors"], "loss.discriminator.main.0.weight", "model_ema.decay"]
    assert set(module_names(keys).values()) == set(real_files()["vae_sd_kl_f8"]["tensors"])


@pytest.mark.parametrize(
    "key", ["decoder.up.0.block.0.time_stack.conv1.weight", "decoder.conv_out.time_mix_conv.weight", "encoder.x"]
)
def test_layers_of_other_autoencoders_are_refused(key: str) -> None:
    with pytest.raises(LayoutError, match=key.split(".")[0]):
        module_names([*real_files()["vae_sd_kl_f8"]["tensors"], key])

"""Ways of storing changes that nothing reads, known by their keys."""

from __future__ import annotations

import pytest

from host.builtin_nodes.lora.plugin import register_patch_formats
from host.builtin_nodes.lora.unread import unread_kinds


@pytest.mark.parametrize(
    ("key", "kind"),
    [
        ("lora_unet_mid.lambda_layer", "T-LoRA"),
        ("base_model.model.to_q.lora_E", "AdaLoRA"),
        ("base_model.model.to_q.lora_E.default", "AdaLoRA"),
        ("base_model.model.shared.lora_embedding_A", "LoRA of an embedding table (PEFT)"),
        ("base_model.model.to_q.c3a_kernel", "C3A"),
        ("base_model.model.to_q.delora_A", "DeLoRA"),
        ("base_model.model.to_q.fourierft_spectrum", "FourierFT"),
        ("base_model.model.to_q.gralora_A", "GraLoRA"),
        ("base_model.model.to_q.hira_A", "HiRA"),
        ("base_model.model.to_q.hra_u", "HRA"),
        ("base_model.model.norm.ln_tuning_layers.weight", "LN tuning"),
        ("base_model.model.to_q.miss_block", "MiSS (Bone)"),
        ("base_model.model.to_q.bone_block", "MiSS (Bone)"),
        ("oft_unet_single_blocks_0_linear1.oft_blocks.1", "OFT with a rotation for each part of a fused layer (kohya)"),
        ("lora_unet_mid.oft_diag", "OFT of LyCORIS before its version 2"),
        ("base_model.model.shared.oft_embedding_R.weight", "OFT of an embedding table (PEFT)"),
        ("base_model.model.to_q.psoft_R", "PSOFT"),
        ("base_model.model.to_q.randlora_lambda", "RandLoRA"),
        ("base_model.model.to_q.road_theta", "RoAd"),
        ("base_model.model.to_q.shira_weight", "SHiRA"),
        ("base_model.model.shared.trainable_tokens_delta", "trainable tokens (PEFT)"),
        ("base_model.model.to_q.vblora_logits_A", "VB-LoRA"),
        ("base_model.model.to_q.vera_lambda_b", "VeRA"),
        ("base_model.model.to_q.pvera_lambda_b", "VeRA"),
        ("base_model.model.to_q.waveft_spectrum", "WaveFT"),
        ("bundle_emb.cat.clip_l_out", "embeddings that are added to a text encoder's output (OneTrainer)"),
    ],
)
def test_a_key_tells_how_its_change_is_stored(key: str, kind: str) -> None:
    assert unread_kinds([key, key]) == [kind]


def test_keys_of_what_is_read_are_not_named() -> None:
    read = [f"layer{ending}" for format_ in register_patch_formats() for ending in format_.endings]

    assert unread_kinds(read) == []
    assert unread_kinds(["layer.alpha", "lora_unet_vera.lora_up.weight", "bundle_emb.cat.clip_l"]) == []

"""Names by which files call layers."""

from __future__ import annotations

import pytest

from host.builtin_nodes.lora.names import clip_text_names, unet_names

PREFIX = "model.diffusion_model."
UNET = {
    f"{module}.{kind}": f"{PREFIX}{original}.{kind}"
    for module, original in {
        "conv_in": "input_blocks.0.0",
        "class_embedding.linear_1": "label_emb.0.0",
        "down_blocks.0.attentions.1.transformer_blocks.0.attn1.to_q": (
            "input_blocks.2.1.transformer_blocks.0.attn1.to_q"
        ),
        "mid_block.attentions.0.transformer_blocks.0.attn2.to_out.0": (
            "middle_block.1.transformer_blocks.0.attn2.to_out.0"
        ),
        "up_blocks.1.resnets.0.conv_shortcut": "output_blocks.3.0.skip_connection",
    }.items()
    for kind in ("weight", "bias")
}


@pytest.mark.parametrize(
    ("name", "layer"),
    [
        ("lora_unet_conv_in", "conv_in"),
        ("base_model.model.conv_in", "conv_in"),
        ("lora_unet_add_embedding_linear_1", "class_embedding.linear_1"),
        ("unet.add_embedding.linear_1", "class_embedding.linear_1"),
        ("lora_unet_label_emb_0_0", "class_embedding.linear_1"),
        ("lora_unet_input_blocks_0_0", "conv_in"),
        ("oft_unet_input_blocks_0_0", "conv_in"),
        ("oft_unet_conv_in", "conv_in"),
        ("input_blocks.0.0", "conv_in"),
        ("base_model.model.input_blocks.0.0", "conv_in"),
        ("diffusion_model.input_blocks.0.0", "conv_in"),
        ("model.diffusion_model.input_blocks.0.0", "conv_in"),
        ("lycoris_input_blocks_0_0", "conv_in"),
        ("base_model.model.unet.conv_in", "conv_in"),
        ("unet.conv_in", "conv_in"),
        ("conv_in", "conv_in"),
        ("lycoris_up_blocks_1_resnets_0_conv_shortcut", "up_blocks.1.resnets.0.conv_shortcut"),
        ("lora_unet_output_blocks_3_0_skip_connection", "up_blocks.1.resnets.0.conv_shortcut"),
        (
            "unet.down_blocks.0.attentions.1.transformer_blocks.0.attn1.processor.to_q",
            "down_blocks.0.attentions.1.transformer_blocks.0.attn1.to_q",
        ),
        (
            "mid_block.attentions.0.transformer_blocks.0.attn2.processor.to_out",
            "mid_block.attentions.0.transformer_blocks.0.attn2.to_out.0",
        ),
    ],
)
def test_a_unets_layers_have_the_names_of_every_trainer(name: str, layer: str) -> None:
    names = unet_names(UNET, PREFIX)

    assert names[name] == f"{layer}.weight"
    assert names[f"{name}.bias"] == f"{layer}.bias"


def test_every_name_of_a_unet_leads_to_one_of_its_tensors() -> None:
    names = unet_names(UNET, PREFIX)

    assert set(names.values()) == set(UNET)
    assert all(name.endswith(".bias") == weight.endswith(".bias") for name, weight in names.items())


@pytest.mark.parametrize("level", ["", "text_model."])
@pytest.mark.parametrize(
    "name",
    [
        "lora_te_text_model_encoder_layers_0_mlp_fc1",
        "lora_te1_text_model_encoder_layers_0_mlp_fc1",
        "lora_te_encoder_layers_0_mlp_fc1",
        "text_encoder.text_model.encoder.layers.0.mlp.fc1",
        "text_encoder.encoder.layers.0.mlp.fc1",
        "text_encoders.clip_l.transformer.text_model.encoder.layers.0.mlp.fc1",
    ],
)
def test_a_text_encoders_layers_have_the_names_of_every_trainer(name: str, level: str) -> None:
    layer = f"{level}encoder.layers.0.mlp.fc1"
    names = clip_text_names([f"{layer}.weight", f"{layer}.bias"])

    assert names[name] == f"{layer}.weight"
    assert names[f"{name}.bias"] == f"{layer}.bias"


@pytest.mark.parametrize(
    ("projection", "former"), [("q_proj", "to_q"), ("k_proj", "to_k"), ("v_proj", "to_v"), ("out_proj", "to_out")]
)
def test_a_text_encoders_attention_has_the_names_of_diffusers_former_processors(projection: str, former: str) -> None:
    layer = "text_model.encoder.layers.0.self_attn"
    names = clip_text_names([f"{layer}.{projection}.weight"])

    assert names[f"text_encoder.{layer}.{former}"] == f"{layer}.{projection}.weight"
    assert f"lora_te_text_model_encoder_layers_0_self_attn_{former}" not in names


def test_a_second_text_encoder_has_prefixes_of_its_own() -> None:
    names = clip_text_names(["final_layer_norm.weight"], kohya=["lora_te2"], dotted=["text_encoder_2"])

    assert names.keys() == {
        "lora_te2_text_model_final_layer_norm",
        "lora_te2_final_layer_norm",
        "text_encoder_2.text_model.final_layer_norm",
        "text_encoder_2.final_layer_norm",
    }

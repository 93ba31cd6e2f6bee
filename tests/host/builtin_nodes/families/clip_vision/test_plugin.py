"""Image encoders: recognised in every layout, and exact against transformers' own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection, SiglipVisionConfig, SiglipVisionModel

from host.builtin_nodes.clip_vision import clip_vision_encode, clip_vision_loader
from host.builtin_nodes.families.clip_text.plugin import ClipTextFamily
from host.builtin_nodes.families.clip_vision.layout import ClipVisionLayout
from host.builtin_nodes.families.clip_vision.plugin import ClipVisionFamily
from host.folders import LocalFolders
from host.models.library import Library
from host.models.manager import ModelManager
from host.models.residency.devices import CpuDevice
from sdk import CONFIG_METADATA, Header, Identity, Refusal, TensorInfo
from tests.host.builtin_nodes.families.real_headers import header_of, real_files
from tests.support.node_context import LoneContext, context_in

WIDTH, HEADS, SIZE = 32, 2, 28
SIZES: dict[str, Any] = {
    "hidden_size": WIDTH,
    "intermediate_size": 64,
    "num_hidden_layers": 3,
    "num_attention_heads": HEADS,
    "image_size": SIZE,
    "patch_size": 14,
}
FACTS = {CONFIG_METADATA: json.dumps({"clip_vision.heads": HEADS})}


def clip_model() -> Any:
    torch.manual_seed(0)
    return CLIPVisionModelWithProjection(CLIPVisionConfig(projection_dim=24, hidden_act="quick_gelu", **SIZES)).eval()


def original(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """The same weights as OpenAI's code has them."""
    renamed: dict[str, Tensor] = {"visual.proj": weights["visual_projection.weight"].T.contiguous()}
    own = {key.removeprefix("vision_model."): value for key, value in weights.items() if "vision_model." in key}
    for old, new in {
        "class_embedding": "embeddings.class_embedding",
        "conv1.weight": "embeddings.patch_embedding.weight",
        "positional_embedding": "embeddings.position_embedding.weight",
    }.items():
        renamed[f"visual.{old}"] = own[new]
    for kind in ("weight", "bias"):
        renamed[f"visual.ln_pre.{kind}"] = own[f"pre_layrnorm.{kind}"]
        renamed[f"visual.ln_post.{kind}"] = own[f"post_layernorm.{kind}"]
        for layer in range(SIZES["num_hidden_layers"]):
            there, here = f"visual.transformer.resblocks.{layer}", f"encoder.layers.{layer}"
            thirds = [own[f"{here}.self_attn.{name}_proj.{kind}"] for name in "qkv"]
            renamed[f"{there}.attn.in_proj_{kind}"] = torch.cat(thirds)
            renamed[f"{there}.attn.out_proj.{kind}"] = own[f"{here}.self_attn.out_proj.{kind}"]
            for number, mlp in ((1, "c_fc"), (2, "c_proj")):
                renamed[f"{there}.ln_{number}.{kind}"] = own[f"{here}.layer_norm{number}.{kind}"]
                renamed[f"{there}.mlp.{mlp}.{kind}"] = own[f"{here}.mlp.fc{number}.{kind}"]
    return renamed


def context_with(tmp_path: Path, weights: dict[str, Tensor], facts: dict[str, str] | None = None) -> LoneContext:
    folder = tmp_path / "models" / "clip_vision"
    folder.mkdir(parents=True)
    kept = {key: value.clone().contiguous() for key, value in weights.items()}
    save_file(kept, folder / "encoder.safetensors", FACTS if facts is None else facts)
    library = Library([tmp_path / "models"])
    context = context_in(tmp_path)
    context.folders = LocalFolders(tmp_path, library)
    context.models = ModelManager(library, [ClipVisionFamily(), ClipTextFamily()], [], CpuDevice())
    return context


def encoded(context: LoneContext, image: Tensor, crop: str = "center") -> Any:
    handle = clip_vision_loader(clip_name="encoder.safetensors", context=context)
    return clip_vision_encode(clip_vision=handle, image=image, crop=crop, context=context)


def normalised(image: Tensor) -> Tensor:
    mean, std = torch.tensor([0.48145466, 0.4578275, 0.40821073]), torch.tensor([0.26862954, 0.26130258, 0.27577711])
    return ((image - mean) / std).movedim(-1, 1)


def eight_bit_image(*shape: int) -> Tensor:
    return torch.randint(0, 256, shape, generator=torch.Generator().manual_seed(1)) / 255.0


@pytest.mark.parametrize("layout", ["transformers", "original", "with its text encoder"])
@torch.no_grad()
def test_clip_says_the_same_as_transformers_whatever_the_file_s_layout(tmp_path: Path, layout: str) -> None:
    model = clip_model()
    weights = dict(model.state_dict())
    if layout == "original":
        weights = original(weights)
    elif layout == "with its text encoder":
        weights["text_model.embeddings.token_embedding.weight"] = torch.zeros(49408, 8)
    image = eight_bit_image(2, SIZE, SIZE, 3)
    found = encoded(context_with(tmp_path, weights), image)
    expected = model(pixel_values=normalised(image), output_hidden_states=True)
    torch.testing.assert_close(found.image_embeds, expected.image_embeds, rtol=0, atol=1e-5)
    torch.testing.assert_close(found.last_hidden_state, expected.last_hidden_state, rtol=0, atol=1e-5)
    torch.testing.assert_close(found.penultimate_hidden_states, expected.hidden_states[-2], rtol=0, atol=1e-5)


@torch.no_grad()
def test_siglip_says_the_same_as_transformers(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = SiglipVisionModel(SiglipVisionConfig(**SIZES)).eval()
    weights = {f"vision_model.{key.removeprefix('vision_model.')}": value for key, value in model.state_dict().items()}
    image = eight_bit_image(1, SIZE, SIZE, 3)
    found = encoded(context_with(tmp_path, weights), image)
    expected = model(pixel_values=(image.movedim(-1, 1) - 0.5) / 0.5)
    torch.testing.assert_close(found.last_hidden_state, expected.last_hidden_state, rtol=0, atol=1e-5)
    assert torch.equal(found.image_embeds, found.last_hidden_state)


def test_cropping_keeps_the_middle_and_squeezing_keeps_everything(tmp_path: Path) -> None:
    context = context_with(tmp_path, clip_model().state_dict())
    wide = torch.zeros(1, SIZE, 3 * SIZE, 3)
    wide[:, :, SIZE : 2 * SIZE] = 1.0
    white = encoded(context, torch.ones(1, SIZE, SIZE, 3)).image_embeds
    torch.testing.assert_close(encoded(context, wide).image_embeds, white, rtol=0, atol=1e-5)
    assert (encoded(context, wide, "none").image_embeds - white).abs().max() > 1e-3


def real_vision(width: int, layers: int, mlp: int, projection: int, positions: int = 257) -> Header:
    shapes = {
        "visual.class_embedding": (width,),
        "visual.conv1.weight": (width, 3, 14, 14),
        "visual.positional_embedding": (positions, width),
        "visual.proj": (width, projection),
    }
    for layer in range(layers):
        shapes[f"visual.transformer.resblocks.{layer}.ln_1.weight"] = (width,)
        shapes[f"visual.transformer.resblocks.{layer}.mlp.c_fc.weight"] = (mlp, width)
    return Header(Path("x.safetensors"), {key: TensorInfo("F16", shape) for key, shape in shapes.items()})


@pytest.mark.parametrize(
    ("width", "layers", "mlp", "projection", "activation"),
    [(1024, 24, 4096, 768, "quick_gelu"), (1280, 32, 5120, 1024, "gelu"), (1664, 48, 8192, 1280, "gelu")],
    ids=["L", "H", "bigG"],
)
def test_dimensions_of_the_published_encoders_are_read_off_the_shapes(
    width: int, layers: int, mlp: int, projection: int, activation: str
) -> None:
    answer = ClipVisionFamily().identify(real_vision(width, layers, mlp, projection))
    assert isinstance(answer, Identity)
    layout = ClipVisionLayout(**answer.config["vision"])
    assert (layout.width, layout.layers, layout.mlp, layout.projection) == (width, layers, mlp, projection)
    assert (layout.heads, layout.image_size, layout.activation) == (16, 224, activation)


def test_what_is_no_image_encoder_alone_is_refused_with_a_reason() -> None:
    family = ClipVisionFamily()
    text = family.identify(header_of(real_files()["clip_l"]["tensors"]))
    assert isinstance(text, Refusal)
    assert text.reason == "there is no image encoder in it"
    odd = family.identify(real_vision(1024, 24, 4096, 768, positions=256))
    assert isinstance(odd, Refusal)
    assert "no square" in odd.reason

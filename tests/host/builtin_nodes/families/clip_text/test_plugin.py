from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from host.builtin_nodes.families.clip_text.plugin import ClipTextFamily
from host.models.library import Library
from host.models.manager import ModelManager
from host.models.residency.devices import CpuDevice, ModelSettings
from sdk import Header, Identity, Refusal
from tests.host.builtin_nodes.families.real_headers import header_of, real_files, real_header
from tests.host.builtin_nodes.families.tiny_files import (
    Shapes,
    clip_l_shapes,
    original_clip_shapes,
    write_tiny,
)


def _identity(header: Header) -> Identity:
    answer = ClipTextFamily().identify(header)
    assert isinstance(answer, Identity), answer
    return answer


@pytest.mark.parametrize(
    ("kind", "key", "stop", "final_norm"),
    [
        ("clip_l", "clip_l", -1, True),
        ("clip_l_with_vision_hf", "clip_l", -1, True),
        ("clip_h_openclip", "clip_h", -2, True),
        ("clip_g", "clip_g", -2, False),
        ("clip_g_openclip", "clip_g", -2, False),
    ],
)
def test_an_encoder_alone_is_used_as_by_the_family_that_has_it_alone(
    kind: str, key: str, stop: int, final_norm: bool
) -> None:
    header = real_header(kind)
    (part,) = ClipTextFamily().parts(header, _identity(header))
    assert (part.adapter.layout.key, part.adapter.stop, part.adapter.final_norm) == (key, stop, final_norm)


@pytest.mark.parametrize("kind", ["longclip_l", "longclip_l_original"])
def test_a_longer_clip_takes_248_tokens_at_once(kind: str) -> None:
    header = real_header(kind)
    (part,) = ClipTextFamily().parts(header, _identity(header))
    assert len(part.adapter.tokenize("a cat").chunks[0]) == 248


def test_the_metadata_may_say_which_encoder_it_is() -> None:
    tensors = real_files()["clip_l"]["tensors"]
    stated = header_of(tensors, {"comfy_nodes.config": '{"text_encoder": "clip_g"}'})
    assert _identity(stated).config["text_encoders"] == ["clip_g"]


def test_a_projection_is_used_by_open_clip_alone() -> None:
    assert _identity(real_header("clip_l_with_vision_hf")).config["text"]["projection"] is None
    assert _identity(real_header("clip_g")).config["text"]["projection"] == 1280


@pytest.mark.parametrize("kind", ["sd15_full", "sd21_base", "sdxl_base", "lora_sd15_kohya", "t5xxl", "ti_sdxl"])
def test_what_is_no_text_encoder_alone_is_refused(kind: str) -> None:
    answer = ClipTextFamily().identify(real_header(kind))
    assert isinstance(answer, Refusal)
    assert "alone" in answer.reason or "more in it" in answer.reason


def _encoded(folder: Path, shapes: Shapes, facts: Mapping[str, Any]) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """The states of a prompt, and the file's tensors."""
    path = write_tiny(folder / "encoder.safetensors", shapes, facts)
    settings = ModelSettings(device="cpu", dtype="fp32")
    manager = ModelManager(Library([folder]), [ClipTextFamily()], [], CpuDevice(), settings)
    handle = manager.open(path)["text_encoder"]
    with manager.borrow(handle) as module:
        states = handle.adapter.encode(module, handle.adapter.tokenize("a cat"), {}).states
    return states, load_file(path)


@torch.no_grad()
def test_the_original_layout_computes_what_torchs_own_attention_does(tmp_path: Path) -> None:
    """Against the layers of OpenAI's code: pre-norm blocks around torch's ``MultiheadAttention``."""
    states, tensors = _encoded(tmp_path, original_clip_shapes(""), {"text_encoder": "clip_h", "clip_h.heads": 4})
    ids = torch.tensor([49406, 320, 2368, 49407] + [0] * 73)
    x = (tensors["token_embedding.weight"][ids] + tensors["positional_embedding"])[None]
    mask = torch.full((77, 77), float("-inf")).triu(1)

    def norm(x: torch.Tensor, name: str) -> torch.Tensor:
        return torch.nn.functional.layer_norm(x, x.shape[-1:], tensors[f"{name}.weight"], tensors[f"{name}.bias"])

    # The family uses the second layer from the end, which is the first of two here.
    place = "transformer.resblocks.0"
    attention = torch.nn.MultiheadAttention(64, 4, batch_first=True).eval()
    attention.load_state_dict(
        {key.removeprefix(f"{place}.attn."): value for key, value in tensors.items() if f"{place}.attn." in key}
    )
    y = norm(x, f"{place}.ln_1")
    x = x + attention(y, y, y, attn_mask=mask, need_weights=False)[0]
    y = norm(x, f"{place}.ln_2") @ tensors[f"{place}.mlp.c_fc.weight"].T + tensors[f"{place}.mlp.c_fc.bias"]
    y = torch.nn.functional.gelu(y)
    x = x + y @ tensors[f"{place}.mlp.c_proj.weight"].T + tensors[f"{place}.mlp.c_proj.bias"]
    torch.testing.assert_close(states, norm(x, "ln_final"), atol=1e-5, rtol=1e-5)


def test_longclip_keeps_its_first_twenty_positions_apart(tmp_path: Path) -> None:
    (tmp_path / "long").mkdir()
    (tmp_path / "plain").mkdir()
    shapes = original_clip_shapes("", positions=40)
    _, tensors = _encoded(tmp_path / "plain", shapes, {"clip_l.heads": 4})
    long_shapes = {**shapes, "positional_embedding_res": (40, 64)}
    path = write_tiny(tmp_path / "long" / "encoder.safetensors", long_shapes, {"clip_l.heads": 4})
    header = header_of({key: ("F32", shape) for key, shape in long_shapes.items()}, {"comfy_nodes.config": "{}"})
    (part,) = ClipTextFamily().parts(header, _identity(header))
    stored, module = load_file(path), part.build()
    first, others = (part.weights[f"embeddings.position_embedding.{name}"] for name in ("first", "others"))
    assert (first.key, first.narrow) == ("positional_embedding", (0, 0, 20))
    assert (others.key, others.narrow) == ("positional_embedding_res", (0, 20, 20))
    table = module.embeddings.position_embedding
    table.first.copy_(stored["positional_embedding"][:20])
    table.others.copy_(stored["positional_embedding_res"][20:])
    positions = torch.arange(40)
    wanted = torch.where((positions < 20)[:, None], stored["positional_embedding"], stored["positional_embedding_res"])
    torch.testing.assert_close(table(positions), wanted, atol=0, rtol=0)
    assert tensors["positional_embedding"].shape == table.weight.shape


def test_a_prefix_left_over_from_a_bigger_model_is_known() -> None:
    prefix = "text_encoders.clip_l.transformer.text_model."
    header = header_of({key: ("F32", shape) for key, shape in clip_l_shapes(prefix).items()})
    assert _identity(header).config["text"]["prefix"] == prefix

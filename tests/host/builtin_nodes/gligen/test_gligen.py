"""Boxes with what belongs in them: from the file to a denoiser's output, against diffusers' own GLIGEN."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import UNet2DConditionModel
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import Linear

from host.builtin_nodes.families.ldm_unet.module import build_unet
from host.builtin_nodes.families.sampled_model import FamilyModel
from host.builtin_nodes.families.sd1.plugin import Sd1Family
from host.builtin_nodes.gligen.grounding import GROUNDING, Box, Grounding
from host.builtin_nodes.gligen.live import LiveGrounding, with_live_boxes
from host.builtin_nodes.gligen.nodes import gligen_loader, gligen_text_box_apply
from host.builtin_nodes.gligen.plugin import GligenFamily
from host.builtin_nodes.latents.sizes import empty_latent_image
from host.builtin_nodes.loaders.files import checkpoint_loader_simple
from host.builtin_nodes.sampler_nodes import ksampler
from host.builtin_nodes.sampling.entries import BOXES, place_entries
from host.builtin_nodes.sampling.errors import UnsupportedConditioning
from host.builtin_nodes.sampling.guidance import CfgDenoiser
from host.builtin_nodes.sampling.parametrisation import discrete
from host.builtin_nodes.sampling.registry import SAMPLERS, SCHEDULERS
from host.folders import LocalFolders
from host.models.library import Library
from host.models.manager import ModelManager
from host.models.residency.devices import CpuDevice, ModelSettings
from sdk import CONFIG_METADATA, Header, ModelHandle, NodeError, Refusal, TensorInfo
from tests.host.builtin_nodes.families.sd1.tiny_checkpoint import UNET, write_tiny_checkpoint
from tests.support.node_context import LoneContext

TEXT = UNET.context_channels
PLACES = [
    *(("down_blocks.{}.attentions.{}".format(*divmod(n, 2)), f"input_blocks.{index}.1")
      for n, index in enumerate((1, 2, 4, 5, 7, 8))),
    ("mid_block.attentions.0", "middle_block.1"),
    *(("up_blocks.{}.attentions.{}".format(*divmod(n + 3, 3)), f"output_blocks.{n + 3}.1") for n in range(9)),
]  # fmt: skip


def gated_unet() -> Any:
    """diffusers' own UNet with GLIGEN's layers, with random weights."""
    torch.manual_seed(3)
    plain = {name: value for name, value in build_unet(UNET).config.items() if not name.startswith("_")}
    config = {**plain, "attention_type": "gated"}
    unet: Any = UNet2DConditionModel.from_config(config).eval().requires_grad_(False)
    for name, parameter in unet.named_parameters():
        if "fuser" in name or "position_net" in name:
            parameter.normal_(std=0.3)
    return unet


def gligen_weights(unet: Any) -> dict[str, Tensor]:
    """GLIGEN's own weights, as the published files have them."""
    found: dict[str, Tensor] = {}
    for name, value in unet.state_dict().items():
        if "position_net" in name:
            found[name] = value
        for ours, original in PLACES:
            if name.startswith(f"{ours}.") and ".fuser." in name:
                found[original + name.removeprefix(ours)] = value
    return found


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.mktemp("gligen")
    for kind in ("checkpoints", "gligen"):
        (base / "models" / kind).mkdir(parents=True)
    write_tiny_checkpoint(base / "models" / "checkpoints" / "tiny.safetensors")
    weights = {key: value.contiguous() for key, value in gligen_weights(gated_unet()).items()}
    facts = {CONFIG_METADATA: json.dumps({"unet.heads": UNET.heads[0]})}
    save_file(weights, base / "models" / "gligen" / "boxes.safetensors", facts)
    return base


@pytest.fixture
def context(base: Path) -> LoneContext:
    library = Library([base / "models"])
    context = LoneContext(LocalFolders(base, library))
    settings = ModelSettings(device="cpu", dtype="fp32")
    context.models = ModelManager(library, [Sd1Family(), GligenFamily()], [], CpuDevice(), settings)
    context.samplers = {sampler.name: sampler for sampler in SAMPLERS}
    context.schedulers = {scheduler.name: scheduler for scheduler in SCHEDULERS}
    return context


def live(network: ModelHandle, boxes: tuple[Box, ...], context: LoneContext) -> LiveGrounding:
    return LiveGrounding(Grounding(network=network, boxes=boxes), lambda handle: _borrowed(handle, context))


def _borrowed(handle: ModelHandle, context: LoneContext) -> Any:
    with context.models.borrow(handle) as module:
        return module


def outputs(context: LoneContext) -> tuple[Tensor, Tensor, Tensor]:
    """What diffusers' own GLIGEN makes, what ours makes of the same weights, and what the UNet makes without boxes."""
    own, texts = gated_unet(), torch.randn(2, TEXT, generator=torch.Generator().manual_seed(4))
    x = torch.randn(2, 4, 8, 16, generator=torch.Generator().manual_seed(5))
    words = torch.randn(2, 7, UNET.context_channels, generator=torch.Generator().manual_seed(6))
    time = torch.tensor([500.0, 500.0])
    boxes = torch.zeros(2, 30, 4)
    boxes[:, 0], boxes[:, 1] = torch.tensor([0.25, 0.5, 0.5, 1.0]), torch.tensor([0.0, 0.0, 0.125, 0.25])
    masks, padded = torch.zeros(2, 30), torch.zeros(2, 30, TEXT)
    masks[:, :2], padded[:, :2] = 1.0, texts
    given = {"boxes": boxes, "masks": masks, "positive_embeddings": padded}
    expected = own(x, time, words, cross_attention_kwargs={"gligen": given}, return_dict=False)[0]

    plain = build_unet(UNET)
    plain.load_state_dict({key: own.state_dict()[key] for key in plain.state_dict()})
    placed = (
        Box(text=texts[:1], height=4, width=4, y=4, x=4),
        Box(text=texts[1:], height=2, width=2, y=0, x=0),
    )
    network = gligen_loader("boxes.safetensors", context)
    adapter = _sd1_denoiser(context)
    found = adapter.forward(plain, x, time, words, boxes=live(network, placed, context))
    return expected, found, adapter.forward(plain, x, time, words)


def _sd1_denoiser(context: LoneContext) -> Any:
    return checkpoint_loader_simple("tiny.safetensors", context)[0].adapter


@torch.no_grad()
def test_boxes_change_the_output_as_in_diffusers_own_gligen(context: LoneContext) -> None:
    expected, found, without = outputs(context)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-4)
    assert (found - without).abs().max() > 1e-2


@torch.no_grad()
def test_a_box_changes_the_image_and_leaves_the_model_as_it_was(context: LoneContext) -> None:
    model, clip, _ = checkpoint_loader_simple("tiny.safetensors", context)
    network = gligen_loader("boxes.safetensors", context)
    prompt = [[torch.zeros(1, 77, UNET.context_channels), {}]]

    def painted(positive: Any) -> Tensor:
        given = {"seed": 1, "steps": 2, "cfg": 2.0, "sampler_name": "euler", "scheduler": "normal"}
        latent = empty_latent_image(64, 64, 1)
        sampled = ksampler(
            model=model, positive=positive, negative=prompt, latent_image=latent, context=context, **given
        )
        samples: Tensor = sampled["samples"]
        return samples

    def boxed(positive: Any, text: str, x: int) -> Any:
        given = {"gligen_textbox_model": network, "clip": clip, "text": text, "context": context}
        return gligen_text_box_apply(conditioning_to=positive, width=32, height=32, x=x, y=0, **given)

    plain = painted(prompt)
    left, right = (painted(boxed(prompt, "a cat", x)) for x in (0, 32))
    both = boxed(boxed(prompt, "a cat", 0), "a dog", 32)
    assert [(box.x, box.width) for box in both[0][1][GROUNDING].boxes] == [(0, 4), (4, 4)]
    assert not torch.equal(plain, left)
    assert not torch.equal(left, right)
    assert not torch.equal(left, painted(both))
    assert torch.equal(plain, painted(prompt))


class Plain:
    """An adapter of a network that can't look at boxes."""

    parametrisation = discrete()

    def inputs(self, options: Mapping[str, Any], latent: Tensor, mask: Tensor | None) -> dict[str, Tensor]:
        return {}


def test_a_network_that_cannot_look_at_boxes_says_so(context: LoneContext) -> None:
    grounding = Grounding(network=gligen_loader("boxes.safetensors", context), boxes=())
    prompt = with_live_boxes([[torch.zeros(1, 2, 3), {GROUNDING: grounding}]], lambda handle: nullcontext())
    with pytest.raises(UnsupportedConditioning, match="gligen"):
        CfgDenoiser(FamilyModel(Linear(1, 1), Plain()), prompt, [], 1.0)(torch.ones(1, 4, 2, 2), 1.0)  # type: ignore[arg-type]


def test_the_negative_prompt_sees_the_same_boxes() -> None:
    sides = {"negative": [[torch.zeros(1, 2, 3), {}]], "positive": [[torch.zeros(1, 2, 3), {BOXES: "here"}]]}
    placed = place_entries(sides, torch.zeros(1, 4, 8, 8), discrete())
    assert [entry.boxes for entries in placed.values() for entry in entries] == ["here", "here"]


def test_layers_for_other_texts_and_other_text_encoders_are_refused(context: LoneContext) -> None:
    _, clip, _ = checkpoint_loader_simple("tiny.safetensors", context)
    network = gligen_loader("boxes.safetensors", context)
    given = {"conditioning_to": [], "gligen_textbox_model": network, "text": "", "context": context}
    with pytest.raises(NodeError, match="text encoder of Stable Diffusion 1"):
        gligen_text_box_apply(clip=network, **given)
    other = replace(network, adapter=replace(network.adapter, text=5))
    with pytest.raises(NodeError, match=r"texts of 5 channels, the text encoder makes 32"):
        gligen_text_box_apply(**{**given, "clip": clip, "gligen_textbox_model": other})


def test_a_file_without_gated_layers_is_refused() -> None:
    shapes = {"position_net.null_positive_feature": (768,), "position_net.linears.4.weight": (768, 512)}
    header = Header(Path("x"), {key: TensorInfo("F32", shape) for key, shape in shapes.items()})
    answer = GligenFamily().identify(header)
    assert isinstance(answer, Refusal)
    assert "gated layers" in answer.reason

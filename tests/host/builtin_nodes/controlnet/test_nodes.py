from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from host.builtin_nodes.controlnet.control import Control
from host.builtin_nodes.controlnet.errors import NotOfOneKind
from host.builtin_nodes.controlnet.nodes import (
    control_net_apply,
    control_net_apply_advanced,
    control_net_inpainting_ali_mama_apply,
    control_net_loader,
    set_union_control_net_type,
)
from sdk import Identity, ModelHandle
from sdk.testing.models import FakeModels
from tests.support.node_context import context_in

IMAGE = torch.ones(1, 16, 24, 3)
PROMPT = [[torch.zeros(1, 2, 3), {"strength": 0.5}]]


class Adapter:
    latent_format = None

    def __init__(self, *, takes_mask: bool = False) -> None:
        self.takes_mask = takes_mask


def network(*, takes_mask: bool = False) -> ModelHandle:
    identity = Identity(family="controlnet", kind="controlnet", config={}, because="test")
    return ModelHandle(key="net", part="controlnet", identity=identity, adapter=Adapter(takes_mask=takes_mask))


def control_of(prompt: Any) -> Control:
    found = prompt[0][1]["control"]
    assert isinstance(found, Control)
    return found


def test_both_prompts_get_the_same_control_and_keep_their_options() -> None:
    positive, negative = control_net_apply_advanced(PROMPT, PROMPT, network(), IMAGE, 0.7, 0.1, 0.9)
    assert control_of(positive) is control_of(negative)
    assert positive[0][1]["strength"] == 0.5
    control = control_of(positive)
    assert (control.strength, control.start, control.end) == (0.7, 0.1, 0.9)
    assert control.hint.shape == (1, 3, 16, 24)
    assert "control" not in PROMPT[0][1]


@pytest.mark.parametrize(("channels", "shown"), [(1, 3), (2, 3), (3, 3), (4, 4)])
def test_a_grey_hint_is_shown_in_three_channels(channels: int, shown: int) -> None:
    image = torch.rand(1, 2, 2, channels)
    hint = control_of(control_net_apply(PROMPT, network(), image)).hint
    expected = image if channels >= 3 else image[..., :1].expand(-1, -1, -1, 3)
    assert hint.shape[1] == shown
    assert torch.equal(hint.movedim(1, -1), expected)


def test_chained_controls_know_the_one_before() -> None:
    first = control_net_apply_advanced(PROMPT, PROMPT, network(), IMAGE)
    second = control_net_apply_advanced(*first, network(), IMAGE, 0.5)
    assert control_of(second[0]).previous is control_of(first[0])
    assert control_of(second[0]) is control_of(second[1])


def test_strength_zero_leaves_prompts_alone() -> None:
    assert control_net_apply_advanced(PROMPT, PROMPT, network(), IMAGE, 0.0) == (PROMPT, PROMPT)
    assert control_net_apply(PROMPT, network(), IMAGE, 0.0) is PROMPT


def test_the_old_node_has_the_negative_side_follow_the_hint_too() -> None:
    applied = control_net_apply(PROMPT, network(), IMAGE)
    assert applied[0][1]["control_apply_to_uncond"] is True
    assert control_net_apply_advanced(PROMPT, PROMPT, network(), IMAGE)[0][0][1]["control_apply_to_uncond"] is False


def test_an_inpainting_network_sees_a_hole_and_the_mask() -> None:
    mask = torch.zeros(1, 16, 24)
    mask[..., 12:] = 1.0
    given = (PROMPT, PROMPT, network(takes_mask=True), None, IMAGE, mask)
    control = control_of(control_net_inpainting_ali_mama_apply(*given)[0])
    assert control.hint[..., :12].min() == 1
    assert control.hint[..., 12:].max() == 0
    assert control.mask is not None
    assert torch.equal(control.mask[0, 0], 1 - mask[0])
    whole = (PROMPT, PROMPT, network(), None, IMAGE, mask)
    assert control_of(control_net_inpainting_ali_mama_apply(*whole)[0]).hint.min() == 1


@pytest.mark.parametrize(("images", "masks", "shown"), [(1, 1, 1), (1, 3, 3), (2, 1, 2), (2, 3, 2), (3, 2, 3)])
def test_holes_are_as_many_as_images_where_there_are_several(images: int, masks: int, shown: int) -> None:
    given = (PROMPT, PROMPT, network(takes_mask=True), network(), torch.ones(images, 4, 4, 3))
    control = control_of(control_net_inpainting_ali_mama_apply(*given, torch.zeros(masks, 4, 4))[0])
    assert control.hint.shape == (shown, 3, 4, 4)


def test_a_kind_of_hint_becomes_an_option_of_the_network() -> None:
    assert set_union_control_net_type(network(), "tile").options["control_type"] == [6]
    assert set_union_control_net_type(network(), "auto").options["control_type"] == []


def test_a_file_of_another_kind_is_refused_by_name(tmp_path: Path) -> None:
    context = context_in(tmp_path)
    context.models = FakeModels(files={"x.safetensors": {"vae": torch.nn.Linear(1, 1)}})
    context.folders = type("Folders", (), {"find": lambda self, kind, name: Path(name)})()
    with pytest.raises(NotOfOneKind, match="is a vae, not a control network"):
        control_net_loader("x.safetensors", context)

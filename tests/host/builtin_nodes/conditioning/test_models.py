from __future__ import annotations

import torch

from host.builtin_nodes.conditioning.models import unclip_conditioning

PROMPT = [[torch.zeros(1, 3, 4), {"strength": 0.5}]]


def test_pictures_for_unclip_are_collected_on_every_entry() -> None:
    once = unclip_conditioning(PROMPT, "first", 0.8, 0.1)
    twice = unclip_conditioning(once, "second", 1.0, 0.0)
    assert [item["clip_vision_output"] for item in twice[0][1]["unclip_conditioning"]] == ["first", "second"]
    assert once[0][1]["unclip_conditioning"] == [
        {"clip_vision_output": "first", "strength": 0.8, "noise_augmentation": 0.1}
    ]
    assert PROMPT[0][1] == {"strength": 0.5}


def test_a_picture_of_no_strength_is_left_out() -> None:
    assert unclip_conditioning(PROMPT, "first", 0.0) is PROMPT

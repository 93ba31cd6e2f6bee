from __future__ import annotations

import pytest
import torch

from host.builtin_nodes.latents.compositing import latent_composite, latent_composite_masked
from sdk import NodeError

TARGET, SOURCE = torch.zeros(2, 4, 8, 10), torch.ones(1, 4, 4, 6)


def test_what_lies_beyond_the_border_is_cut_off() -> None:
    for compose in (latent_composite, latent_composite_masked):
        found = compose({"samples": TARGET}, {"samples": SOURCE}, x=56, y=48)["samples"]
        expected = TARGET.clone()
        expected[..., 6:, 7:] = 1.0
        assert torch.equal(found, expected)
        assert torch.equal(TARGET, torch.zeros(2, 4, 8, 10))


def test_at_the_far_border_nothing_is_pasted() -> None:
    for compose in (latent_composite, latent_composite_masked):
        assert torch.equal(compose({"samples": TARGET}, {"samples": SOURCE}, x=80, y=0)["samples"], TARGET)
    assert torch.equal(latent_composite_masked({"samples": TARGET}, {"samples": SOURCE}, x=400, y=0)["samples"], TARGET)


def test_a_source_just_beyond_the_far_border_is_refused_and_one_far_away_is_nothing() -> None:
    with pytest.raises(NodeError, match=r"x = 88, y = 0 .* 80 x 64 pixels"):
        latent_composite({"samples": TARGET}, {"samples": SOURCE}, x=88, y=0)
    with pytest.raises(NodeError, match="x = 0, y = 72"):
        latent_composite({"samples": TARGET}, {"samples": SOURCE}, x=0, y=72, feather=16)
    for feather in (0, 16):
        found = latent_composite({"samples": TARGET}, {"samples": SOURCE}, x=800, y=0, feather=feather)["samples"]
        assert torch.equal(found, TARGET)


def test_a_row_above_the_border_is_nothing_and_more_is_refused() -> None:
    found = latent_composite_masked({"samples": TARGET}, {"samples": SOURCE}, x=16, y=-8)["samples"]
    assert torch.equal(found, TARGET)
    larger = torch.zeros(1, 4, 16, 16)
    for x, y in ((0, -8), (-8, 0), (-16, 24)):
        with pytest.raises(NodeError, match=f"x = {x}, y = {y}"):
            latent_composite_masked({"samples": larger}, {"samples": torch.ones(1, 4, 16, 16)}, x=x, y=y)


def test_feathered_edges_rise_linearly_except_on_the_border() -> None:
    found = latent_composite({"samples": TARGET}, {"samples": SOURCE}, x=0, y=16, feather=16)["samples"]
    assert found[0, 0, 2:6, 0].tolist() == [0.5, 1.0, 1.0, 0.5]
    assert found[0, 0, 3, :6].tolist() == [1.0, 1.0, 1.0, 1.0, 1.0, 0.5]
    assert torch.equal(found[0], found[1])


def test_a_mask_is_resized_to_the_source_and_repeated() -> None:
    mask = torch.zeros(1, 8, 12)
    mask[:, :, 6:] = 0.5
    found = latent_composite_masked({"samples": TARGET}, {"samples": SOURCE}, x=8, y=8, mask=mask)["samples"]
    assert found[1, 2, 2, 1:7].tolist() == [0.0, 0.0, 0.0, 0.5, 0.5, 0.5]
    whole = latent_composite_masked({"samples": TARGET}, {"samples": SOURCE}, resize_source=True, mask=mask)["samples"]
    assert whole[0, 0, 0].tolist() == [0.0] * 5 + [0.5] * 5

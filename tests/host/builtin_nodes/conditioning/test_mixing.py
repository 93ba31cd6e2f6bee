"""Two prompts as one: whatever their lengths, weights and limits are."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from host.builtin_nodes.conditioning.mixing import conditioning_average, conditioning_combine, conditioning_concat
from sdk import NodeError

WIDTH = 3


def states(tokens: int, seed: int, batch: int = 1) -> Tensor:
    return torch.randn(batch, tokens, WIDTH, generator=torch.Generator().manual_seed(seed))


def entry(tokens: int, seed: int, *, batch: int = 1, **options: Any) -> list[Any]:
    return [states(tokens, seed, batch), options]


def test_combined_prompts_keep_their_order_and_limits() -> None:
    first, second = [entry(7, 1, strength=0.5), entry(7, 2)], [entry(14, 3)]
    found = conditioning_combine(first, second)
    assert [id(pair) for pair in found] == [id(pair) for pair in (*first, *second)]


def test_the_first_of_the_appended_prompts_follows_each_of_the_others() -> None:
    to = [entry(7, 1, strength=0.5), entry(14, 2)]
    found = conditioning_concat(to, [entry(21, 3, pooled_output=states(1, 9)), entry(7, 4)])
    assert [pair[1] for pair in found] == [{"strength": 0.5}, {}]
    for (joined, _), (own, _) in zip(found, to, strict=True):
        assert torch.equal(joined, torch.cat([own, states(21, 3)], dim=1))
    assert found[0][1] is not to[0][1]


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0, 1.5])
@pytest.mark.parametrize("tokens", [3, 7, 14])
def test_an_average_is_as_long_as_the_first_prompt(share: float, tokens: int) -> None:
    ((found, options),) = conditioning_average([entry(7, 1, batch=2)], [entry(tokens, 2), entry(7, 3)], share)
    other = torch.zeros(1, 7, WIDTH)
    other[:, : min(tokens, 7)] = states(tokens, 2)[:, :7]
    torch.testing.assert_close(found, share * states(7, 1, 2) + (1 - share) * other)
    assert options == {}


def test_pooled_vectors_are_averaged_where_both_have_one() -> None:
    own, other = states(1, 5)[:, 0], states(1, 6)[:, 0]
    to = [entry(7, 1, pooled_output=own), entry(7, 1), entry(7, 1, pooled_output=None)]
    found = [
        options["pooled_output"] for _, options in conditioning_average(to, [entry(7, 2, pooled_output=other)], 0.25)
    ]
    torch.testing.assert_close(found[0], 0.25 * own + 0.75 * other)
    assert torch.equal(found[1], other)
    assert torch.equal(found[2], other)
    ((_, kept),) = conditioning_average([entry(7, 1, pooled_output=own, strength=2.0)], [entry(7, 2)], 0.25)
    assert kept == {"pooled_output": own, "strength": 2.0}


@pytest.mark.parametrize("node", [conditioning_concat, conditioning_average])
def test_nothing_to_mix_in_is_said(node: Any) -> None:
    with pytest.raises(NodeError, match="'conditioning_from' holds no prompt at all"):
        node([entry(7, 1)], [])
    assert node([], [entry(7, 1)]) == []

"""Token merging against the same algorithm written as a loop over tokens."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from host.builtin_nodes.model_patches.token_merging import MergedTokens, kept_tokens, match
from host.builtin_nodes.sampling.patches import NetworkPatches, PatchCall
from tests.host.builtin_nodes.model_patches.small_unet import evaluate, small_unet


def tokens(count: int = 24, width: int = 5) -> Tensor:
    return torch.randn(2, count, width, generator=torch.Generator().manual_seed(3))


def kept(rows: int = 4, columns: int = 6) -> Tensor:
    return kept_tokens(rows, columns, torch.Generator().manual_seed(0))


@pytest.mark.parametrize(("rows", "columns"), [(4, 6), (5, 7)])
def test_one_token_of_every_square_is_kept(rows: int, columns: int) -> None:
    grid = kept(rows, columns).reshape(rows, columns)
    for top in range(0, rows - 1, 2):
        for left in range(0, columns - 1, 2):
            assert int(grid[top : top + 2, left : left + 2].sum()) == 1
    assert int(grid.sum()) == (rows // 2) * (columns // 2)


@pytest.mark.parametrize("count", [1, 7, 18, 100])
def test_merging_and_spreading_equal_a_loop_over_the_tokens(count: int) -> None:
    values, mask = tokens(), kept()
    matching = match(values, mask, count)
    assert matching is not None
    spread = matching.spread(matching.merge(values))
    assert matching.merge(values).shape[1] == 24 - min(count, 18)
    for batch, one in enumerate(values):
        torch.testing.assert_close(spread[batch], _looped(one, mask, count))


def _looped(values: Tensor, mask: Tensor, count: int) -> Tensor:
    targets = [i for i in range(len(values)) if mask[i]]
    best = {}
    for i in range(len(values)):
        if not mask[i]:
            likeness = [torch.cosine_similarity(values[i], values[j], dim=0).item() for j in targets]
            best[i] = (max(likeness), targets[likeness.index(max(likeness))])
    merged = sorted(best, key=lambda i: -best[i][0])[:count]
    result = values.clone()
    for target in targets:
        group = [target, *(i for i in merged if best[i][1] == target)]
        result[group] = values[group].mean(0)
    return result


def test_nothing_is_merged_at_ratio_zero() -> None:
    unet = small_unet()
    patches = NetworkPatches(around_self=(MergedTokens(0.0),))
    torch.testing.assert_close(evaluate(unet, patches), evaluate(unet), atol=1e-5, rtol=0)


def test_equal_queries_can_be_merged_without_loss() -> None:
    query, key = torch.ones(1, 16, 4), tokens(16, 4)[:1]
    call = PatchCall(sigma=1.0, shape=(1, 4, 4, 4), sides=("positive",))
    seen: list[int] = []

    def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        seen.append(q.shape[1])
        return (q @ k.transpose(1, 2)).softmax(-1) @ v

    found = MergedTokens(0.5)(attend, query, key, key, call)
    assert seen == [8]
    torch.testing.assert_close(found, attend(query, key, key))


def test_only_the_highest_resolution_is_merged() -> None:
    query = tokens(16)
    call = PatchCall(sigma=1.0, shape=(2, 4, 8, 8), sides=("positive",))
    assert MergedTokens(0.5)(lambda q, k, v: q, query, query, query, call) is query


def test_a_merged_network_stays_near_the_whole_one_and_repeats_itself() -> None:
    unet = small_unet()
    patches = NetworkPatches(around_self=(MergedTokens(0.3),))
    first, second, plain = evaluate(unet, patches), evaluate(unet, patches), evaluate(unet)
    assert torch.equal(first, second)
    assert not torch.equal(first, plain)
    assert float((first - plain).abs().mean()) < 0.2 * float(plain.std())

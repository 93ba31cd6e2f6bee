from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from host.builtin_nodes.sampling.spawned_seeds import SpawnedSeeds


@given(
    seed=st.integers(0, 2**64 - 1),
    key=st.lists(st.integers(0, 2**70), min_size=1, max_size=3),
    size=st.sampled_from([4, 24]),
)
def test_a_childs_seed_is_numpys(seed: int, key: list[int], size: int) -> None:
    child = np.random.SeedSequence(entropy=seed, spawn_key=tuple(key), pool_size=size)
    parent = np.random.SeedSequence(entropy=seed, pool_size=size)
    assert SpawnedSeeds(parent)(*key) == int(child.generate_state(1)[0])

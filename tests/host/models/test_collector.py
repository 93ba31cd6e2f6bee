from __future__ import annotations

import gc

import pytest

from host.models.collector import without_collections


def test_collections_go_on_afterwards_whatever_happens() -> None:
    assert gc.isenabled()
    with pytest.raises(KeyError), without_collections():
        {}["nothing"]
    assert gc.isenabled()


def test_within_each_other_the_outermost_turns_them_on_again() -> None:
    with without_collections():
        with without_collections():
            assert not gc.isenabled()
        assert not gc.isenabled()
    assert gc.isenabled()

"""Which pack a node id belongs to."""

from __future__ import annotations

import pytest

from registry_client.errors import BadRequirement, DuplicateNodes
from registry_client.ownership import Claimant, claimant, decide
from sdk.commands import ExitCode
from sdk.registry import NodeClaim
from tests.support.registry_client import release

CORE = Claimant("core", "0.1.0", frozenset({"KSampler"}))
A = Claimant("Acme_A", "1.0", frozenset({"Tint", "A"}))
B = Claimant("b", "2.0", frozenset({"Tint", "B", "KSampler"}))


def test_nothing_is_decided_where_nothing_is_contested() -> None:
    assert decide([CORE, A]) == {}


def test_a_contested_name_stops_and_names_both_packs_with_versions() -> None:
    with pytest.raises(DuplicateNodes, match=r"node 'Tint': Acme_A 1\.0 and b 2\.0") as caught:
        decide([A, B])
    assert caught.value.exit_code is ExitCode.DUPLICATE_NODES
    assert caught.value.as_json()["duplicates"] == {"Tint": [["Acme_A", "1.0"], ["b", "2.0"]]}


def test_the_hosts_own_nodes_count() -> None:
    with pytest.raises(DuplicateNodes, match=r"node 'KSampler': core 0\.1\.0 and b 2\.0"):
        decide([CORE, B])


def test_a_preferred_pack_gets_every_name_that_it_claims() -> None:
    assert decide([CORE, A, B], prefer=["b"]) == {"KSampler": "b", "Tint": "b"}
    assert decide([A, B], prefer=["acme-a"]) == {"Tint": "Acme_A"}


def test_earlier_decisions_stay_while_the_owner_still_claims_the_name() -> None:
    assert decide([A, B], decided={"Tint": "b"}) == {"Tint": "b"}
    assert decide([A, B], prefer=["Acme_A"], decided={"Tint": "b"}) == {"Tint": "Acme_A"}
    with pytest.raises(DuplicateNodes):
        decide([A, B], decided={"Tint": "gone"})


def test_preferring_a_pack_that_shares_nothing_is_a_mistake() -> None:
    with pytest.raises(BadRequirement, match="--prefer other"):
        decide([A], prefer=["other"])


def test_former_ids_are_claimed_too() -> None:
    found = claimant("a", "1", release("1", nodes=(NodeClaim(id="New", aliases=("Old",)),)))
    assert found.nodes == {"New", "Old"}

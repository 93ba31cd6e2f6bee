"""Counting what packs share."""

from __future__ import annotations

from registry_server.web.shared import SharedNodes
from tests.registry_server.web.shown import FIRST_IDS
from tests.support.registry import Registry


def test_codes_and_ids_of_several_packs_are_found(site: Registry) -> None:
    shared = SharedNodes(site.parts.database)
    assert len(shared.codes()) == len(FIRST_IDS)
    assert shared.ids() == ["Blend (v2)"]


def test_counting_is_not_done_again_at_once(server: Registry) -> None:
    shared = SharedNodes(server.parts.database)
    assert shared.codes() == []
    server.publish("first-pack", nodes=["A"])
    server.publish("second-pack", nodes=["B"])
    assert shared.codes() == []
    assert len(SharedNodes(server.parts.database).codes()) == 1

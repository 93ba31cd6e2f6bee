"""Owners of node ids."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

import pytest

from registry_server.accounts.identity import OPERATOR
from registry_server.audit.repository import entries
from registry_server.nodes.core import core_nodes
from tests.support.registry import Registry
from tests.support.registry_packs import pack

ODD = ["two words", "with/slash", "a|b:c", "\N{SPARKLES} shiny", '100% "quoted"', "?query=1#x", "../up"]


def test_the_first_publisher_owns_a_node_id(server: Registry) -> None:
    server.publish("first", nodes=["Shared", "Mine"])
    answer = server.upload(pack("second", nodes=["Shared", "Theirs"], publisher="other"), server.publisher("other"))
    assert answer.status_code == 409
    assert answer.json()["details"] == [{"node": "Shared", "owner": "first"}]
    assert "first" in answer.json()["message"]
    assert server.client.get("/nodes/second").status_code == 404, "nothing of it was kept"
    assert server.client.get("/api/v1/nodes/Theirs").status_code == 404
    server.publish("first", "2.0.0", nodes=["Mine"])
    assert server.client.get("/api/v1/nodes/Shared").json()["owner"] == "first", "dropping a node gives nothing up"


def test_the_hosts_own_nodes_are_nobodys(server: Registry) -> None:
    assert {"KSampler", "CheckpointLoaderSimple", "SaveImage"} <= core_nodes()
    answer = server.upload(pack(nodes=["KSampler"]))
    assert answer.json()["details"] == [{"node": "KSampler", "owner": "core"}]
    assert server.client.get("/api/v1/nodes/KSampler").json()["owner"] == "core"


@pytest.mark.parametrize("node_id", ODD)
def test_ids_of_any_form_are_found_again(server: Registry, node_id: str) -> None:
    server.publish(nodes=[node_id])
    found = server.client.get(f"/api/v1/nodes/{quote(node_id, safe='')}").json()
    assert found["id"] == node_id
    assert found["claimants"] == [{"pack": "probe-pack", "version": "1.0.0", "since": "1.0.0", "listed": True}]
    assert server.client.get(f"/comfy-nodes/{quote(node_id, safe='')}/node").json()["id"] == "probe-pack"


def test_of_two_packs_that_publish_the_same_id_at_once_one_gets_it(server: Registry) -> None:
    token = server.publisher()
    archives = [pack(f"pack-{number}", nodes=["Wanted"]) for number in range(5)]
    with ThreadPoolExecutor(5) as pool:
        answers = list(pool.map(lambda archive: server.upload(archive, token), archives))
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409, 409]


def test_an_admin_transfers_and_excepts_and_all_of_it_is_logged(server: Registry) -> None:
    server.publish("first", nodes=["Shared"])
    server.publish("second", nodes=["Other"])
    nodes, clock, database = server.parts.nodes, server.clock, server.parts.database
    with database.write() as session:
        nodes.allow(session, OPERATOR, clock(), "Shared", "second", "an agreed fork")
    server.publish("second", "2.0.0", nodes=["Other", "Shared"])
    found = server.client.get("/api/v1/nodes/Shared").json()
    assert (found["owner"], [one["pack"] for one in found["claimants"]]) == ("first", ["first", "second"])
    assert found["exceptions"] == ["second"]
    with database.write() as session:
        nodes.transfer(session, OPERATOR, clock(), "Shared", "second", "handed over")
        nodes.disallow(session, OPERATOR, clock(), "Shared", "second")
    assert server.client.get("/api/v1/nodes/Shared").json()["owner"] == "second"
    assert server.client.get("/api/v1/packs/first").json().get("owns", []) == []
    assert server.upload(pack("first", "2.0.0", nodes=["Shared"])).status_code == 409
    changes = server.client.get("/index/changes?since=3").json()["changes"]
    assert sorted(change["pack"] for change in changes if change["kind"] == "ownership") == ["first", "second"]
    with database.read() as session:
        actions = [entry.action for entry in entries(session, subject="node/Shared")]
    assert actions == ["node.disallow", "node.transfer", "node.allow"]


def test_ids_that_differ_in_case_alone_are_shown(server: Registry) -> None:
    server.publish("first", nodes=["My_Node"])
    server.publish("second", nodes=["my-node"])
    assert server.client.get("/api/v1/nodes/My_Node").json()["similar"] == ["my-node"]


def test_the_same_code_in_another_pack_is_named(server: Registry) -> None:
    server.publish("original", nodes=["A", "B", "C"])
    copied = server.publish("copy", nodes=["CopyA", "CopyB", "CopyC"])
    pairs = [["CopyA", "A"], ["CopyB", "B"], ["CopyC", "C"]]
    assert copied["duplicates"] == [{"pack": "original", "nodes": pairs, "near": [], "share": 1.0, "vendored": True}]
    shown = server.client.get("/api/v1/packs/original/duplicates").json()["duplicates"]
    assert [one["pack"] for one in shown] == ["copy"]

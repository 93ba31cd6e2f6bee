"""Whatever is sent, the registry never fails."""

from __future__ import annotations

import json

import pytest

from tests.support.registry import Registry

ADDRESSES = [
    "/nodes/%00",
    "/nodes?limit=99999999999999999999",
    "/nodes?page=abc",
    "/nodes/%ff%fe",
    "/nodes/..%2f..%2fetc%2fpasswd",
    "/nodes/search?search=%00",
    "/nodes/search?search=" + "x" * 501,
    "/versions?pageSize=-1&page=10000000000",
    "/comfy-nodes//node",
    "/comfy-nodes/%F0%9F%92%A9/node",
    "/api/v1/nodes/",
    "/api/v1/search?q=%22%27%28%29*%3A",
    "/api/v1/packs/x/versions/" + "9" * 5000,
    "/publishers/%0a",
    "/archives/aa/bb/cc",
    "/uploads/x?expires=1&signature=x",
    "/downloads/x/y/node.zip",
    "/openapi.json",
]


@pytest.mark.parametrize("address", ADDRESSES)
def test_odd_addresses_are_answered(shared_server: Registry, address: str) -> None:
    assert shared_server.client.get(address).status_code < 500


BODIES: list[object] = [
    None,
    [],
    "text",
    {"node": None},
    {"node": {"id": 3}, "node_version": {"version": "1.0.0"}},
    {"personal_access_token": "x", "node": {"id": "a"}, "node_version": {"version": "1.0.0", "dependencies": "x"}},
    {"personal_access_token": "\ud800", "node": {"id": "a"}, "node_version": {"version": "1.0.0"}},
    {"personal_access_token": "\0", "node": {"id": "a"}, "node_version": {"version": "1.0.0"}},
    {"personal_access_token": "x", "node": {"id": "a"}, "node_version": {"version": "1" * 10_000}},
]


@pytest.mark.parametrize("body", BODIES)
def test_odd_bodies_are_refused(shared_server: Registry, body: object) -> None:
    content = json.dumps(body)
    answer = shared_server.client.post(
        "/publishers/acme/nodes/a/versions", content=content, headers={"Content-Type": "application/json"}
    )
    assert answer.status_code in (400, 403)
    assert answer.json()["message"]
    nested = shared_server.client.post(
        "/bulk/nodes/versions", content="[" * 100_000, headers={"Content-Type": "application/json"}
    )
    assert nested.status_code == 400

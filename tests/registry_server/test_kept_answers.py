"""Answers kept in memory."""

from __future__ import annotations

import pytest

from tests.support.registry import Registry


def test_an_answer_is_given_again_until_something_changes(server: Registry) -> None:
    server.publish()
    first = server.client.get("/nodes/probe-pack")
    again = server.client.get("/nodes/probe-pack")
    assert (again.content, again.headers["ETag"]) == (first.content, first.headers["ETag"])
    assert again.headers["content-type"] == "application/json"
    server.client.get("/nodes/probe-pack/install")
    counted = server.client.get("/nodes/probe-pack")
    assert counted.json()["downloads"] == first.json()["downloads"] + 1
    assert counted.headers["ETag"] != first.headers["ETag"]


def test_what_a_client_has_is_not_sent_again(server: Registry) -> None:
    server.publish()
    etag = server.client.get("/nodes").headers["ETag"]
    known = server.client.get("/nodes", headers={"If-None-Match": etag})
    assert (known.status_code, known.content, known.headers["ETag"]) == (304, b"", etag)
    server.publish(version="2.0.0")
    assert server.client.get("/nodes", headers={"If-None-Match": etag}).status_code == 200


def test_each_address_and_client_gets_its_own(server: Registry) -> None:
    server.publish()
    server.publish("other-pack", nodes=["Other"], salt=50)
    pages = {server.client.get(f"/nodes?limit=1&page={page}").json()["nodes"][0]["id"] for page in (1, 2, 1, 2)}
    assert pages == {"probe-pack", "other-pack"}
    for host in ("one.example", "two.example", "one.example"):
        version = server.client.get("/nodes/probe-pack", headers={"Host": host}).json()["latest_version"]
        assert version["downloadUrl"].startswith(f"http://{host}/")
    plain, crossing = (server.client.get("/nodes/probe-pack", headers=h) for h in ({}, {"Origin": "https://a.example"}))
    assert "access-control-allow-origin" not in plain.headers
    assert crossing.headers["access-control-allow-origin"] == "*"


def test_what_goes_wrong_and_what_is_private_is_not_kept(server: Registry) -> None:
    assert server.client.get("/nodes/probe-pack").status_code == 404
    server.publish()
    assert server.client.get("/nodes/probe-pack").status_code == 200
    headers = server.admin()
    assert "ETag" not in server.client.get("/publishers/acme/tokens", headers=headers).headers
    assert server.client.get("/publishers/acme/tokens").status_code == 401


@pytest.mark.parametrize("address", ["/nodes/probe-pack", "/api/v1/packs/probe-pack", "/api/v1/nodes/ProbeNode"])
def test_another_process_is_seen(server: Registry, address: str) -> None:
    server.publish()
    server.client.get(address)
    connection = server.parts.database.raw_connection()
    connection.execute("UPDATE packs SET description = 'changed elsewhere', slug = 'Probe-Pack'")
    connection.close()
    if server.parts.database.is_sqlite:
        changed = server.client.get(address, follow_redirects=True)
        assert "changed elsewhere" in changed.text or "Probe-Pack" in changed.text

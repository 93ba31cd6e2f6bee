"""Every route of the Comfy Registry's API: statuses, casing, what is left out."""

from __future__ import annotations

from typing import Any

import pytest

from registry_server.accounts.identity import Scope
from tests.support.registry import Registry, bearer
from tests.support.registry_packs import pack


def nulls(value: Any) -> list[str]:
    """Where a value is null; nothing may be."""
    if value is None:
        return ["here"]
    if isinstance(value, dict):
        return [f"{key}.{where}" for key, one in value.items() for where in nulls(one)]
    return [where for one in value for where in nulls(one)] if isinstance(value, list) else []


def fill(server: Registry) -> Registry:
    """Two publishers, some packs, several versions."""
    server.publish("probe-pack", "1.0.0", nodes=["Probe Node/one", "KSampler \N{SPARKLES}|x:y"])
    server.publish("probe-pack", "1.0.1", nodes=["Probe Node/one", "KSampler \N{SPARKLES}|x:y"])
    server.publish("image-tools", "2.0.0", nodes=["ImageTool"], publisher="other")
    return server


@pytest.fixture
def full(server: Registry) -> Registry:
    """A registry with some packs."""
    return fill(server)


@pytest.fixture(scope="module")
def unchanged(shared_server: Registry) -> Registry:
    """The same for tests that only read."""
    return fill(shared_server)


GETS = [
    ("/nodes", 200),
    ("/nodes?page=0&limit=-5", 200),
    ("/nodes?page=1&limit=30&comfyui_version=unknown&form_factor=git-linux", 200),
    ("/nodes?node_id=probe-pack&node_id=Image_Tools", 200),
    ("/nodes?timestamp=2026-01-01T00:00:00Z&sort=downloads;desc&include_banned=true&latest=true", 200),
    ("/nodes/search?search=probe&page=1&limit=10", 200),
    ("/nodes/search?comfy_node_search=ImageTool", 200),
    ("/nodes/probe-pack", 200),
    ("/nodes/nope", 404),
    ("/nodes/probe-pack/install", 200),
    ("/nodes/Probe_Pack/install", 200),
    ("/nodes/probe-pack/install?version=1.0.0", 200),
    ("/nodes/probe-pack/install?version=9.9.9", 404),
    ("/nodes/probe-pack/install?version=latest", 400),
    ("/nodes/nope/install", 404),
    ("/nodes/probe-pack/versions", 200),
    ("/nodes/probe-pack/versions?statuses=NodeVersionStatusActive&statuses=NodeVersionStatusPending", 200),
    ("/nodes/probe-pack/versions?statuses=Nonsense", 400),
    ("/nodes/nope/versions", 404),
    ("/nodes/probe-pack/versions/1.0.0", 200),
    ("/nodes/probe-pack/versions/9.9.9", 404),
    ("/nodes/probe-pack/versions/1.0.0/comfy-nodes?page=1&limit=10", 200),
    ("/nodes/probe-pack/versions/1.0.0/comfy-nodes/Probe%20Node%2Fone", 200),
    ("/nodes/probe-pack/versions/1.0.0/comfy-nodes/Nope", 404),
    ("/comfy-nodes?comfy_node_name=ImageTool", 200),
    ("/comfy-nodes/ImageTool/node", 200),
    ("/comfy-nodes/Probe%20Node/one/node", 200),
    ("/comfy-nodes/KSampler%20%E2%9C%A8%7Cx%3Ay/node", 200),
    ("/comfy-nodes/KSampler/node", 404),
    ("/versions?page=1&pageSize=2", 200),
    ("/versions?nodeId=probe-pack", 200),
    ("/publishers", 200),
    ("/publishers/acme", 200),
    ("/publishers/nope", 404),
    ("/publishers/acme/nodes", 200),
    ("/publishers/validate?username=acme", 200),
    ("/users/publishers/", 401),
    ("/publishers/acme/tokens", 401),
]


@pytest.mark.parametrize(("address", "status"), GETS)
def test_each_get_answers_as_clients_expect(unchanged: Registry, address: str, status: int) -> None:
    answer = unchanged.client.get(address, follow_redirects=False)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"].startswith("application/json")
    body = answer.json()
    assert nulls(body) == []
    if status >= 400:
        assert isinstance(body["message"], str)
        assert isinstance(body["details"], list)


def test_lists_have_the_mixed_casing_of_the_original(full: Registry) -> None:
    page = full.client.get("/nodes?limit=1").json()
    assert {key: page[key] for key in ("total", "page", "limit", "totalPages")} == {
        "total": 2,
        "page": 1,
        "limit": 1,
        "totalPages": 2,
    }
    assert full.client.get("/nodes").json()["limit"] == 10
    assert full.client.get("/nodes?limit=1000").json()["limit"] == 100
    versions = full.client.get("/versions?pageSize=2").json()
    assert (versions["total"], versions["pageSize"], versions["totalPages"], len(versions["versions"])) == (3, 2, 2, 2)
    nodes = full.client.get("/nodes/probe-pack/versions/1.0.0/comfy-nodes?limit=1").json()
    assert (nodes["totalNumberOfPages"], len(nodes["comfy_nodes"])) == (2, 1)


def test_versions_are_a_bare_array_with_all_that_the_manager_prints(full: Registry) -> None:
    versions = full.client.get("/nodes/probe-pack/versions").json()
    assert [one["version"] for one in versions] == ["1.0.1", "1.0.0"]
    for one in versions:
        assert {"createdAt", "version", "changelog", "status", "id", "downloadUrl"} <= set(one)
        assert one["createdAt"][:10] == "2026-03-01"


def test_a_pack_without_versions_has_no_latest_version(full: Registry) -> None:
    yanked = full.client.get("/nodes/image-tools").json()
    assert "latest_version" in yanked
    full.client.post("/api/v1/packs/image-tools/versions/2.0.0/yank", json={}, headers=full.admin())
    assert "latest_version" not in full.client.get("/nodes/image-tools").json()


def test_another_spelling_is_redirected_to_the_packs_own(full: Registry) -> None:
    answer = full.client.get("/nodes/Probe_PACK", follow_redirects=False)
    assert answer.status_code == 302
    assert full.client.get(answer.headers["location"]).json()["id"] == "probe-pack"


def test_install_counts_a_download(full: Registry) -> None:
    full.client.get("/nodes/probe-pack/install")
    full.client.get("/nodes/probe-pack/install?version=1.0.0")
    assert full.client.get("/nodes/probe-pack").json()["downloads"] == 2


def test_a_nodes_schema_goes_as_json_in_json(full: Registry) -> None:
    node = full.client.get("/nodes/image-tools/versions/2.0.0/comfy-nodes").json()["comfy_nodes"][0]
    assert node["comfy_node_name"] == "ImageTool"
    assert node["input_types"] == '{"required":{"value":["INT",{"default":1,"max":7,"min":0}]}}'
    assert node["return_types"] == '["INT"]'
    assert node["output_is_list"] == [False]


def test_many_versions_at_once(full: Registry) -> None:
    wanted = [("probe-pack", "1.0.0"), ("probe-pack", "9.9.9"), ("nope", "1.0.0"), ("probe-pack", "???")]
    body = {"node_versions": [{"node_id": node, "version": version} for node, version in wanted]}
    found = full.client.post("/bulk/nodes/versions", json=body).json()["node_versions"]
    assert [one["status"] for one in found] == ["success", "not_found", "not_found", "error"]
    assert found[0]["node_version"]["version"] == "1.0.0"
    assert found[0]["identifier"] == {"node_id": "probe-pack", "version": "1.0.0"}


def test_a_user_makes_a_publisher_and_a_token_that_publishes(server: Registry) -> None:
    alice = bearer(server.user())
    made = server.client.post("/publishers", json={"id": "newbie", "name": "New"}, headers=alice)
    assert made.status_code == 201
    assert made.json()["members"][0]["role"] == "owner"
    assert server.client.get("/publishers/validate?username=newbie").json() == {"isAvailable": False}
    assert server.client.get("/publishers/validate?username=free").json() == {"isAvailable": True}
    assert [one["id"] for one in server.client.get("/users/publishers/", headers=alice).json()] == ["newbie"]
    answer = server.client.post("/publishers/newbie/tokens", json={"name": "ci"}, headers=alice)
    assert answer.status_code == 201
    token = answer.json()["token"]
    listed = server.client.get("/publishers/newbie/tokens", headers=alice).json()
    assert token not in str(listed)
    assert listed[0]["name"] == "ci"
    address = server.announce(publisher="newbie", token=token).json()["signedUrl"]
    assert server.put(address, pack(publisher="newbie")).status_code == 200
    gone = server.client.delete(f"/publishers/newbie/tokens/{listed[0]['id']}", headers=alice)
    assert gone.status_code == 204
    assert server.announce(version="2.0.0", publisher="newbie", token=token).status_code == 403
    edited = server.client.put("/publishers/newbie", json={"website": "https://example.com"}, headers=alice)
    assert edited.json()["website"] == "https://example.com"
    assert server.client.delete("/publishers/newbie", headers=alice).status_code == 409
    assert server.client.delete("/publishers/newbie/nodes/probe-pack", headers=alice).status_code == 204
    assert server.client.delete("/publishers/newbie", headers=alice).status_code == 204


def test_publishers_change_only_what_is_theirs(full: Registry) -> None:
    owner, stranger = bearer(full.publisher("acme")), bearer(full.publisher("other"))
    version = full.client.get("/nodes/probe-pack").json()["latest_version"]["id"]
    writes: list[tuple[str, str, Any, int]] = [
        ("PUT", "/publishers/acme/nodes/probe-pack", {"description": "new", "tags": ["image"]}, 200),
        ("PUT", f"/publishers/acme/nodes/probe-pack/versions/{version}", {"changelog": "c", "deprecated": True}, 200),
        ("DELETE", f"/publishers/acme/nodes/probe-pack/versions/{version}", None, 204),
        ("DELETE", "/publishers/acme/nodes/probe-pack", None, 204),
    ]
    for method, address, body, status in writes:
        assert full.client.request(method, address, json=body).status_code == 401
        assert full.client.request(method, address, json=body, headers=stranger).status_code == 403
        answer = full.client.request(method, address, json=body, headers=owner)
        assert answer.status_code == status, answer.text
    assert full.client.get("/nodes/probe-pack").status_code == 404
    assert full.upload(pack(version="3.0.0")).status_code == 403, "its name is not given out again"


def test_admins_ban_flag_and_rate(full: Registry) -> None:
    admin = full.admin()
    flag = {"status": "NodeVersionStatusFlagged", "status_reason": "looks odd"}
    assert full.client.put("/admin/nodes/probe-pack/versions/1.0.1", json=flag).status_code == 401
    flagged = full.client.put("/admin/nodes/probe-pack/versions/1.0.1", json=flag, headers=admin).json()
    assert (flagged["status"], flagged["status_reason"]) == ("NodeVersionStatusFlagged", "looks odd")
    assert full.client.get("/nodes/probe-pack/install").json()["version"] == "1.0.0"
    assert full.client.post("/nodes/probe-pack/reviews?star=6", headers=admin).status_code == 400
    assert full.client.post("/nodes/probe-pack/reviews?star=4", headers=admin).json()["rating"] == 4
    assert full.client.post("/publishers/acme/nodes/probe-pack/ban", headers=admin).status_code == 204
    assert full.client.get("/nodes/probe-pack/install").status_code == 403
    assert full.client.get("/nodes").json()["total"] == 1
    assert full.upload(pack(version="2.0.0")).status_code == 403


def test_nodes_found_by_running_a_pack_complete_what_could_not_be_read(server: Registry) -> None:
    unknown = "import os\nNODE_CLASS_MAPPINGS = {os.environ['X']: object}\n"
    server.upload(pack(files={"__init__.py": unknown}))
    address = "/nodes/probe-pack/versions/1.0.0/comfy-nodes"
    body = {
        "success": True,
        "nodes": {
            "Found": {
                "category": "x",
                "function": "run",
                "input_types": '{"required": {}}',
                "return_types": '["INT"]',
                "return_names": '["INT"]',
                "output_is_list": [False],
            }
        },
    }
    assert server.client.post(address, json=body).status_code == 401
    assert server.client.post(address, json=body, headers=bearer(server.publisher())).status_code == 403
    assert server.client.post(address, json=body, headers=server.admin()).status_code == 204
    assert server.client.post(address, json=body, headers=server.admin()).status_code == 409
    node = server.client.get(f"{address}/Found").json()
    assert (node["function"], node["return_types"]) == ("run", '["INT"]')
    assert server.client.get("/comfy-nodes/Found/node").json()["id"] == "probe-pack"


def test_browsers_of_any_origin_may_ask(full: Registry) -> None:
    headers = {
        "Origin": "http://127.0.0.1:8188",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type",
    }
    preflight = full.client.options("/bulk/nodes/versions", headers=headers)
    assert preflight.status_code == 200
    assert preflight.headers["access-control-allow-origin"] == "*"
    for address in ("/nodes", "/index/config.json", "/custom-node-list.json", "/nodes/nope", "/index/nope"):
        answer = full.client.get(address, headers={"Origin": "http://127.0.0.1:8188"})
        assert answer.headers["access-control-allow-origin"] == "*", address


def test_a_pre_empted_name_goes_to_the_pack_that_says_so(full: Registry) -> None:
    with full.parts.database.write() as session:
        from registry_server.packs.repository import pack as find

        row = find(session, "image-tools")
        assert row is not None
        row.preempted = ["Probe Node/one"]
    found = full.client.get("/comfy-nodes/Probe%20Node%2Fone/node").json()
    assert found["id"] == "probe-pack", "only a pack that has the node can pre-empt it"


def test_the_token_is_in_no_answer_and_no_log(full: Registry, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    token = full.publisher("acme", Scope.MANAGE)
    answer = full.announce(version="5.0.0", token=token)
    assert answer.status_code == 403
    assert token not in answer.text + caplog.text

from __future__ import annotations

from host.api.front_end import home_router
from tests.support.live_server import LiveServer


def test_every_route_is_there_with_and_without_the_prefix(server: LiveServer) -> None:
    plain = ["/prompt", "/queue", "/history", "/object_info", "/system_stats", "/features", "/embeddings", "/models"]
    plain += ["/experiment/models", "/users", "/settings", "/extensions", "/i18n", "/workflow_templates"]
    plain += ["/jobs", "/packs"]
    for path in plain:
        for prefix in ("", "/api"):
            answer = server.get(prefix + path)
            assert (answer.status, answer.headers["content-type"]) == (200, "application/json; charset=utf-8"), path


def test_unknown_paths_and_methods_are_said_to_be_so(server: LiveServer) -> None:
    assert server.get("/nosuchroute").status == 404
    wrong = server.request("PUT", "/prompt")
    assert (wrong.status, wrong.body) == (405, b"405: Method Not Allowed")


def test_node_descriptions_are_sent_again_only_when_they_changed(server: LiveServer) -> None:
    first = server.get("/object_info")
    assert server.get("/object_info", If_None_Match=first.headers["etag"]).status == 304
    assert server.get("/object_info/EmptyImage").json["EmptyImage"] == first.json["EmptyImage"]
    assert server.get("/object_info/NoSuchNode").json == {}
    (server.base / "input").mkdir(exist_ok=True)
    (server.base / "input" / "new.png").touch()
    assert "new.png" in server.get("/object_info/LoadImage").json["LoadImage"]["input"]["required"]["image"][0]
    assert server.get("/object_info").headers["etag"] != first.headers["etag"]


def test_seeds_keep_all_their_digits(server: LiveServer) -> None:
    assert b"18446744073709551615" in server.get("/object_info/KSampler").body


def test_built_in_nodes_are_told_apart_from_those_of_packs(server: LiveServer) -> None:
    modules = {entry["python_module"] for entry in server.get("/object_info").json.values()}
    assert modules == {"nodes", "custom_nodes.g2_testpack"}


def test_the_log_can_be_read_and_followed(server: LiveServer) -> None:
    assert isinstance(server.get("/internal/logs").json, str)
    assert server.get("/internal/logs/raw").json["size"] == {"cols": 80, "rows": 24}
    assert server.request("PATCH", "/internal/logs/subscribe", '{"clientId": "me", "enabled": true}').body == b""
    assert server.request("PATCH", "/internal/logs/subscribe", "{}").status == 400


def test_monitoring_finds_what_it_needs(server: LiveServer) -> None:
    assert server.get("/healthz").json == {"status": "ok"}
    assert b"comfy_nodes_jobs_unfinished 0.0" in server.get("/metrics").body


def test_every_documented_route_says_what_it_does(server: LiveServer) -> None:
    described = server.get("/openapi.json").json["paths"]
    assert "/prompt" in described
    silent = [path for path, ways in described.items() for way in ways.values() if not way.get("description")]
    assert silent == []


def test_without_the_editor_a_page_says_how_to_get_it() -> None:
    page = home_router().routes[0].endpoint()  # type: ignore[attr-defined]
    assert b"comfyui-frontend-package" in page.body

from __future__ import annotations

from pathlib import Path

import pytest

from host.api.access.guards import is_foreign, is_known, one_segment
from host.api.server_settings import server_settings
from host.settings import load_settings
from tests.support.live_server import LiveServer, make_host, serving


@pytest.mark.parametrize(
    ("host", "origin", "foreign"),
    [
        ("127.0.0.1:8188", None, False),
        ("127.0.0.1:8188", "http://127.0.0.1:8188", False),
        ("127.0.0.1", "http://127.0.0.1", False),
        ("127.0.0.1:80", "http://127.0.0.1", False),
        ("[::1]:8188", "http://[::1]:8188", False),
        ("127.0.0.1:8188", "http://127.0.0.1:9000", True),
        ("127.0.0.1:8188", "http://127.0.0.1", True),
        ("localhost:8188", "http://evil.example", True),
        ("localhost:8188", "null", True),
        ("localhost:8188", "http://evil.example:notaport", True),
        ("render.example:8188", "http://other.example", False),
    ],
)
def test_a_page_of_another_origin_may_not_use_a_server_that_was_addressed_by_a_loopback_name(
    host: str, origin: str | None, foreign: bool
) -> None:
    headers = {"host": host} | ({} if origin is None else {"origin": origin})
    assert is_foreign(headers) is foreign


@pytest.mark.parametrize(
    ("host", "known"),
    [
        ("", True),
        ("127.0.0.1:8188", True),
        ("[::1]:8188", True),
        ("192.168.0.7", True),
        ("localhost:8188", True),
        ("LocalHost.:8188", True),
        ("app.localhost", True),
        ("render.example:8188", True),
        ("RENDER.example", True),
        ("a.b.farm.example", True),
        ("farm.example", False),
        ("evil.example", False),
        ("localhost.evil.example", False),
        ("127.0.0.1.evil.example", False),
        ("notlocalhost", False),
        ("[broken", False),
    ],
)
def test_a_server_answers_to_addresses_and_to_the_names_it_knows(host: str, known: bool) -> None:
    assert is_known(host, ("render.example", ".farm.example")) is known


def test_a_name_that_was_made_to_lead_here_gets_nothing(server: LiveServer) -> None:
    answer = server.get("/object_info", Host=f"evil.example:{server.port}")
    assert answer.status == 403
    assert "'evil.example:" in answer.body.decode()
    assert "--allowed-hosts" in answer.body.decode()


@pytest.mark.parametrize(
    ("flags", "allowed"),
    [
        ({}, ()),
        ({"allowed_hosts": "a.example, B.example"}, ("a.example", "b.example")),
        ({"listen": "0.0.0.0"}, None),
        ({"listen": "0.0.0.0", "allowed_hosts": "a.example"}, ("a.example",)),
        ({"api_key_file": "keys.toml"}, None),
        ({"cors_origin": "*"}, None),
        ({"cors_origin": "http://a.example"}, ()),
    ],
)
def test_names_matter_where_a_page_could_use_a_server_of_this_machine(
    tmp_path: Path, flags: dict[str, str], allowed: tuple[str, ...] | None
) -> None:
    assert server_settings(load_settings(flags, {}, tmp_path), ()).allowed_hosts == allowed


def test_escaped_slashes_stay_escaped_where_a_path_is_one_segment() -> None:
    scope = {"path": "/userdata/workflows/a.json", "raw_path": b"/userdata/workflows%2Fa.json"}
    assert one_segment(scope) == "/userdata/workflows%2Fa.json"
    assert one_segment({"path": "/view/a/b", "raw_path": b"/view/a%2Fb"}) == "/view/a/b"


def test_a_foreign_origin_is_refused_for_every_method(server: LiveServer) -> None:
    for method in ("GET", "POST", "OPTIONS"):
        assert server.request(method, "/prompt", headers={"Origin": "http://evil.example"}).status == 403


def test_options_is_answered_and_head_has_no_body(server: LiveServer) -> None:
    assert server.request("OPTIONS", "/api/anything").status == 200
    head = server.request("HEAD", "/features")
    assert (head.status, head.body) == (200, b"")


def test_an_allowed_origin_is_let_in_and_told_so(tmp_path: Path) -> None:
    with serving(make_host(tmp_path), cors_origin="http://pages.example") as server:
        answer = server.get("/prompt", Origin="http://pages.example")
    assert answer.status == 200
    assert answer.headers["access-control-allow-origin"] == "http://pages.example"


def test_a_body_above_the_limit_is_refused_whether_its_length_is_announced_or_not(tmp_path: Path) -> None:
    with serving(make_host(tmp_path), max_upload_bytes=1000) as server:
        assert server.post("/prompt", "x" * 2000).status == 413
        chunked = server.request("POST", "/prompt", b"7d0\r\n" + b"x" * 2000 + b"\r\n0\r\n\r\n", _CHUNKED)
        assert chunked.status == 413


_CHUNKED = {"Transfer-Encoding": "chunked", "Content-Type": "application/json"}

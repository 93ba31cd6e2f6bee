from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from host.api.access.api_keys import BadKeyFile, add_key, read_keys
from sdk.web import Scope
from tests.support.live_server import LiveServer, make_host, serving


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A key for each scope, and where their hashes are."""
    path = tmp_path_factory.mktemp("keys") / "keys.toml"
    return {scope.value: add_key(path, scope.value, [scope]) for scope in Scope} | {"file": str(path)}


@pytest.fixture(scope="module")
def guarded(keys: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    with serving(make_host(tmp_path_factory.mktemp("base")), api_key_file=Path(keys["file"])) as server:
        yield server


REQUESTS = {
    "read": [("GET", "/queue"), ("GET", "/api/object_info/X"), ("GET", "/openapi.json"), ("GET", "/extensions")],
    "run": [("POST", "/interrupt"), ("POST", "/api/queue"), ("DELETE", "/userdata/nothing")],
    "admin": [("GET", "/internal/logs"), ("POST", "/api/free"), ("GET", "/metrics"), ("GET", "/webhooks")],
}
ALLOWED = {"read": {"read"}, "run": {"read", "run"}, "admin": {"read", "run", "admin"}}


@pytest.mark.parametrize("scope", ALLOWED)
def test_a_key_allows_what_its_scope_says_and_nothing_else(
    guarded: LiveServer, keys: dict[str, str], scope: str
) -> None:
    for wanted, requests in REQUESTS.items():
        for method, path in requests:
            answer = guarded.request(method, path, headers={"Authorization": f"Bearer {keys[scope]}"})
            refused = answer.status in (401, 403)
            assert refused is (wanted not in ALLOWED[scope]), (scope, method, path, answer.status)


def test_without_a_key_only_the_pulse_is_felt(guarded: LiveServer) -> None:
    assert guarded.get("/healthz").status == 200
    refused = guarded.get("/queue")
    assert (refused.status, refused.headers["www-authenticate"]) == (401, "Bearer")
    assert "X-API-Key" in refused.json["error"]
    for wrong in ("Bearer cn_wrong", "Bearer", "Basic eDp5", "Bearer \xff"):
        assert guarded.get("/queue", Authorization=wrong).status == 401


def test_a_key_may_come_in_a_header_of_its_own(guarded: LiveServer, keys: dict[str, str]) -> None:
    assert guarded.get("/queue", X_API_Key=keys["read"]).status == 200
    assert guarded.get(f"/queue?token={keys['read']}").status == 401


def test_a_websocket_may_say_its_key_in_the_address(guarded: LiveServer, keys: dict[str, str]) -> None:
    url = f"ws://127.0.0.1:{guarded.port}/ws?clientId=a"
    with pytest.raises(InvalidStatus), connect(url):
        pytest.fail("it was let in")
    with connect(f"{url}&token={keys['read']}") as socket:
        assert "queue_remaining" in str(socket.recv(timeout=20))


def test_a_browser_has_a_cookie_from_the_first_page_on(guarded: LiveServer, keys: dict[str, str]) -> None:
    first = guarded.get(f"/?token={keys['run']}")
    assert (first.status, first.headers["location"]) == (303, "/")
    cookie = first.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "samesite=strict" in cookie.lower()
    assert guarded.get("/queue", Cookie=cookie.partition(";")[0]).status == 200
    assert guarded.get("/?token=cn_wrong").status == 401


def test_a_key_is_never_written_and_its_file_is_the_owner_s(tmp_path: Path) -> None:
    path = tmp_path / "keys.toml"
    key = add_key(path, "laptop", [Scope.RUN, Scope.READ])
    assert key not in path.read_text()
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    add_key(path, "phone", [Scope.READ])
    found = read_keys(path).find(key)
    assert found is not None
    assert found.name == "laptop"
    with pytest.raises(BadKeyFile, match="called 'laptop' already"):
        add_key(path, "laptop", [Scope.READ])
    with pytest.raises(BadKeyFile, match="can't be called"):
        add_key(path, "a b]", [Scope.READ])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[",
        "keys = 3",
        '[keys.a]\nsha256 = "x"\nscopes = ["run"]',
        '[keys.a]\nsha256 = "' + "0" * 64 + '"\nscopes = ["all"]',
    ],
)
def test_a_file_of_keys_that_makes_no_sense_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "keys.toml"
    path.write_text(text)
    with pytest.raises(BadKeyFile, match=r"keys\.toml"):
        read_keys(path)

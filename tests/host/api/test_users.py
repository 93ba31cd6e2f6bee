from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.live_server import LiveServer, make_host, serving


@pytest.fixture
def server(tmp_path: Path) -> Iterator[LiveServer]:
    with serving(make_host(tmp_path), multi_user=True) as running:
        yield running


def test_each_user_has_files_and_settings_of_their_own(server: LiveServer) -> None:
    assert server.get("/users").json == {"storage": "server", "users": {}}
    ann, bob = (server.post("/users", {"username": name}).json for name in ("Ann", "Bob"))
    assert server.get("/api/users").json["users"] == {ann: "Ann", bob: "Bob"}
    assert server.post("/settings", {"theme": "dark"}, Comfy_User=ann).status == 200
    assert server.get("/settings", Comfy_User=ann).json == {"theme": "dark"}
    assert server.get("/settings", Comfy_User=bob).json == {}
    server.request("POST", "/userdata/workflows%2Fa.json", "{}", {"Comfy-User": ann})
    assert server.get("/userdata/workflows%2Fa.json", Comfy_User=bob).status == 404
    assert server.get("/v2/userdata?path=workflows", Comfy_User=ann).json[0]["name"] == "a.json"


@pytest.mark.parametrize("name", ["Ann", "", " ", 3, None, "a\nb", "x" * 101])
def test_a_name_that_is_taken_or_none_is_refused(server: LiveServer, name: object) -> None:
    server.post("/users", {"username": "Ann"})
    answer = server.post("/users", {"username": name})
    assert answer.status == 400
    assert answer.json["error"]


@pytest.mark.parametrize("user", ["", "nobody", "../default"])
def test_who_is_nobody_gets_nothing(server: LiveServer, user: str) -> None:
    for path in ("/settings", "/userdata?dir=workflows", "/v2/userdata", "/userdata/a"):
        assert server.get(path, Comfy_User=user).status == 401


def test_a_strange_name_makes_a_plain_folder(server: LiveServer) -> None:
    user = server.post("/users", {"username": "../../Ö ß"}).json
    assert "/" not in user
    assert server.post("/settings", {"a": 1}, Comfy_User=user).status == 200
    assert (server.base / "user" / user / "comfy.settings.json").is_file()

"""login, publish, yank and deprecate, against a real registry on a port of this machine."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import typer

from registry_server.settings import Settings
from sdk.authoring import comfy_registry
from sdk.authoring.deprecate_command import deprecate
from sdk.authoring.destinations import find_destination
from sdk.authoring.errors import ChecksFailed, NoRegistry, NoToken, RegistryRefused, TokensUnusable
from sdk.authoring.identity_tokens import exchanged_token
from sdk.authoring.login_command import login
from sdk.authoring.publish_command import publish
from sdk.authoring.registries import registry_address
from sdk.authoring.registry_api import CHUNK, RegistryApi
from sdk.authoring.tokens import FileStore, KeyringStore
from sdk.authoring.yank_command import yank
from sdk.commands import ExitCode
from sdk.errors import ManifestError
from sdk.manifest import read_manifest
from sdk.testing.packs import write_pack
from tests.support.registry import Registry, on_a_port, registry

CODE = """
    from sdk import hookimpl, node

    @node
    def {name}(number: int = 1) -> int:
        return 2 * number

    @hookimpl
    def register_nodes():
        return [{name}]
"""


@pytest.fixture(autouse=True)
def _own_surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for variable in ("COMFY_PACKS_TOKEN", "COMFY_PACKS_REGISTRY", "COMFY_PACKS_OIDC_TOKEN", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(variable, raising=False)


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Registry]:
    with registry(Settings(data=tmp_path / "registry", writes_per_minute=0)) as found:
        yield found


@pytest.fixture
def address(served: Registry) -> Iterator[str]:
    with on_a_port(served) as at:
        yield at


@pytest.fixture
def tokens(tmp_path: Path) -> Path:
    return tmp_path / "tokens.json"


@pytest.fixture
def logged_in(served: Registry, address: str, tokens: Path) -> str:
    FileStore(tokens).put(address, served.publisher())
    return address


def a_pack(folder: Path, name: str = "doubling", node: str = "double", version: str = "1.0.0") -> Path:
    pack = write_pack(folder / version, name, CODE.format(name=node), version=version)
    (pack / "LICENSE").write_text("MIT")
    return pack


def an_api(answer: httpx.Response) -> RegistryApi:
    return RegistryApi("https://r.example", "T", transport=httpx.MockTransport(lambda request: answer))


def printed(capsys: pytest.CaptureFixture[str]) -> Any:
    return json.loads(capsys.readouterr().out)


def test_a_token_is_checked_and_kept_where_only_the_user_can_read_it(
    served: Registry, address: str, tokens: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    login(address, token=served.publisher(), token_file=tokens, as_json=True)
    assert printed(capsys)["publisher"] == "acme"
    assert FileStore(tokens).get(address) == served.publisher()
    assert tokens.stat().st_mode & 0o777 == 0o600


def test_a_token_that_the_registry_does_not_know_is_not_kept(address: str, tokens: Path) -> None:
    with pytest.raises(RegistryRefused, match="Get a new token with `comfy-nodes login") as caught:
        login(address, token="wrong", token_file=tokens)
    assert caught.value.exit_code is ExitCode.REFUSED
    assert not tokens.exists()


def test_a_dry_login_keeps_nothing_and_an_empty_token_is_refused(served: Registry, address: str, tokens: Path) -> None:
    login(address, token=served.publisher(), token_file=tokens, dry_run=True)
    with pytest.raises(typer.BadParameter, match="empty"):
        login(address, token="  ", token_file=tokens)
    assert not tokens.exists()


def test_a_token_can_be_forgotten(logged_in: str, tokens: Path, capsys: pytest.CaptureFixture[str]) -> None:
    login(logged_in, forget=True, token_file=tokens, dry_run=True)
    assert FileStore(tokens).get(logged_in) is not None
    login(logged_in, forget=True, token_file=tokens)
    login(logged_in, forget=True, token_file=tokens)
    assert FileStore(tokens).get(logged_in) is None
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(" the ")[0] for line in lines] == ["would forget", "forgot", "no token is kept"]


def test_a_pack_is_published_with_its_changelog(
    served: Registry, logged_in: str, tokens: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    publish(a_pack(tmp_path), logged_in, changelog="the first – with ünicode", token_file=tokens, as_json=True)
    said = printed(capsys)
    assert (said["published"], said["state"], said["nodes"]) == (True, "active", ["Double"])
    stored = served.client.get("/api/v1/packs/doubling/versions/1.0.0").json()
    assert (stored["changelog"], stored["sha256"]) == ("the first – with ünicode", said["sha256"])


def test_a_dry_run_builds_the_archive_and_sends_nothing(
    served: Registry, logged_in: str, tokens: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    publish(a_pack(tmp_path), logged_in, token_file=tokens, dry_run=True)
    assert capsys.readouterr().out.startswith("would publish doubling 1.0.0 to http://127.0.0.1")
    assert served.client.get("/api/v1/packs/doubling").status_code == 404


def test_a_version_is_published_once(logged_in: str, tokens: Path, tmp_path: Path) -> None:
    pack = a_pack(tmp_path)
    publish(pack, logged_in, token_file=tokens)
    with pytest.raises(RegistryRefused, match="give the pack a higher version in pyproject") as caught:
        publish(pack, logged_in, token_file=tokens)
    assert caught.value.exit_code is ExitCode.CONFLICT


def test_a_node_of_another_pack_is_named_with_its_owner(logged_in: str, tokens: Path, tmp_path: Path) -> None:
    publish(a_pack(tmp_path), logged_in, token_file=tokens)
    with pytest.raises(
        RegistryRefused, match=r"did not publish other 1.0.0: .*'Double' \(owned by doubling\)"
    ) as caught:
        publish(a_pack(tmp_path, "other"), logged_in, token_file=tokens)
    assert caught.value.exit_code is ExitCode.DUPLICATE_NODES
    assert caught.value.as_json()["details"] == [{"node": "Double", "owner": "doubling"}]


def test_nothing_is_sent_without_a_token(address: str, tokens: Path, tmp_path: Path) -> None:
    with pytest.raises(NoToken, match=f"run `comfy-nodes login --registry {address}`"):
        publish(a_pack(tmp_path), address, token_file=tokens)


def test_a_pack_with_grave_findings_stays_at_home(logged_in: str, tokens: Path, tmp_path: Path) -> None:
    pack = a_pack(tmp_path)
    (pack / "more.py").write_text("import os\nos.system('pip install x')\n")
    with pytest.raises(ChecksFailed, match="one finding of high severity"):
        publish(pack, logged_in, token_file=tokens)


def test_a_registry_that_is_not_there_is_unreachable(tokens: Path, tmp_path: Path) -> None:
    nobody = "http://127.0.0.1:9"  # the discard port, which nothing listens on
    FileStore(tokens).put(nobody, "secret")
    with pytest.raises(RegistryRefused, match="Is the address right, and does the registry run") as caught:
        publish(a_pack(tmp_path), nobody, token_file=tokens)
    assert caught.value.exit_code is ExitCode.UNREACHABLE


def test_a_version_is_yanked_and_brought_back(
    served: Registry, logged_in: str, tokens: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def state() -> str:
        return str(served.client.get("/api/v1/packs/doubling/versions/1.0.0").json()["state"])

    publish(a_pack(tmp_path), logged_in, token_file=tokens)
    yank("doubling", "1.0.0", reason="broken", registry=logged_in, token_file=tokens, dry_run=True)
    assert state() == "active"
    yank("doubling", "1.0.0", reason="broken", registry=logged_in, token_file=tokens)
    assert state() == "yanked"
    yank("doubling", "1.0.0", undo=True, registry=logged_in, token_file=tokens)
    assert state() == "active"
    lines = capsys.readouterr().out.splitlines()[1:]
    assert [line.partition(" at ")[0] for line in lines] == [
        "doubling 1.0.0 would be yanked",
        "yanked doubling 1.0.0",
        "brought back doubling 1.0.0",
    ]


def test_yanking_what_is_not_there_is_not_found(logged_in: str, tokens: Path) -> None:
    with pytest.raises(RegistryRefused, match="There is no pack 'nothing' here") as caught:
        yank("nothing", "1.0.0", registry=logged_in, token_file=tokens)
    assert caught.value.exit_code is ExitCode.NOT_FOUND


@pytest.mark.parametrize("version", ["", "1.0.0"])
def test_a_pack_or_a_version_is_deprecated_and_that_is_taken_back(
    version: str, served: Registry, logged_in: str, tokens: Path, tmp_path: Path
) -> None:
    def deprecation() -> Any:
        document = served.client.get("/api/v1/packs/doubling").json()
        return document["releases"][0].get("deprecated") if version else document["deprecated"]

    publish(a_pack(tmp_path), logged_in, token_file=tokens)
    before = deprecation()
    deprecate("doubling", version, reason="old", replacement="tripling", registry=logged_in, token_file=tokens)
    assert deprecation() != before
    deprecate("doubling", version, undo=True, registry=logged_in, token_file=tokens)
    assert deprecation() == before


def test_a_dry_deprecation_changes_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    deprecate("doubling", replacement="tripling", registry="https://registry.example", dry_run=True, as_json=True)
    assert printed(capsys)["changed"] is False


def test_the_comfy_api_gets_announcement_and_archive(
    served: Registry, logged_in: str, tokens: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pack = a_pack(tmp_path)
    manifest = (pack / "pyproject.toml").read_text()
    with pytest.raises(ManifestError, match="PublisherId"):
        publish(pack, logged_in, to="comfy", token_file=tokens)
    (pack / "pyproject.toml").write_text(manifest + '\n[tool.comfy]\nPublisherId = "acme"\n')
    publish(pack, logged_in, to="comfy", changelog="new", token_file=tokens, as_json=True)
    assert printed(capsys)["published"] is True
    assert served.client.get("/api/v1/packs/doubling/versions/1.0.0").json()["state"] == "active"


def test_an_announcement_has_every_field_that_clients_send(tmp_path: Path) -> None:
    body = comfy_registry.announcement(read_manifest(a_pack(tmp_path)), "TOKEN", "my change")
    support = ["supported_accelerators", "supported_comfyui_frontend_version", "supported_comfyui_version"]
    assert sorted(body) == ["node", "node_version", "personal_access_token"]
    assert sorted(body["node_version"]) == ["changelog", "dependencies", *support, "supported_os", "version"]
    assert body["node"]["license"] == "{}"
    assert body["node"]["banner_url"] == ""


def test_a_storage_that_refuses_the_archive_is_said(tmp_path: Path) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.method == "POST":
            return httpx.Response(201, json={"node_version": {}, "signedUrl": "https://storage.example/x"})
        return httpx.Response(204)

    pack = a_pack(tmp_path)
    with pytest.raises(RegistryRefused, match="its storage answered 204"):
        comfy_registry.publish(
            "https://comfy.example",
            read_manifest(pack),
            pack / "LICENSE",
            "T",
            transport=httpx.MockTransport(answer),
        )


def test_archives_go_out_in_pieces_that_are_counted(tmp_path: Path) -> None:
    archive = tmp_path / "x.zip"
    archive.write_bytes(bytes(2 * CHUNK + 5))
    seen: list[int] = []

    def answer(request: httpx.Request) -> httpx.Response:
        assert request.headers["content-length"] == str(2 * CHUNK + 5)
        return httpx.Response(201, json={"size": len(request.read())})

    with RegistryApi("https://r.example", "T", transport=httpx.MockTransport(answer)) as api:
        assert api.publish("x 1", archive, sent=seen.append) == {"size": 2 * CHUNK + 5}
    assert seen == [CHUNK, CHUNK, 5]


@pytest.mark.parametrize(
    ("status", "code"),
    [(403, ExitCode.REFUSED), (413, ExitCode.REFUSED), (429, ExitCode.BUSY), (503, ExitCode.UNREACHABLE)],
)
def test_every_refusal_has_its_exit_code(status: int, code: ExitCode) -> None:
    answer = httpx.Response(status, json={"error": "X", "message": "No."}, headers={"Retry-After": "7"})
    with an_api(answer) as api, pytest.raises(RegistryRefused, match="asks to wait 7 s") as caught:
        api.whoami()
    assert caught.value.exit_code is code


def test_an_answer_that_is_no_json_is_quoted_by_its_status() -> None:
    answer = httpx.Response(200, text="<html>")
    with an_api(answer) as api, pytest.raises(RegistryRefused, match="it answered 200 OK"):
        api.whoami()


def test_a_build_exchanges_its_identity_for_a_token() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        assert json.loads(request.content) == {"oidc_token": "ey.."}
        return httpx.Response(200, json={"token": "short-lived", "expires": "soon"})

    with RegistryApi("https://r.example", "", transport=httpx.MockTransport(answer)) as api:
        assert exchanged_token(api, {"COMFY_PACKS_OIDC_TOKEN": "ey.."}) == "short-lived"
        with pytest.raises(NoToken):
            exchanged_token(api, {})


def test_registries_are_found_by_address_name_and_settings(tmp_path: Path) -> None:
    (tmp_path / "comfy-packs.toml").write_text(
        '[[registry]]\nname = "files"\nurl = "file:///mnt"\n'
        '[[registry]]\nname = "ours"\nurl = "https://ours.example/"\n'
        '[[registry]]\nname = "b"\nurl = "https://b.example"\n'
    )
    folders = (tmp_path / "none", tmp_path)
    assert registry_address("https://x.example/", folders) == "https://x.example"
    assert registry_address("ours=https://x.example/?a=b", folders) == "https://x.example/?a=b"
    assert registry_address("b", folders) == "https://b.example"
    assert registry_address(None, folders) == "https://ours.example"
    for unknown in ("c", "files"):
        with pytest.raises(NoRegistry, match=r"comfy-packs\.toml"):
            registry_address(unknown, folders)


def test_a_destination_is_a_protocol_and_an_address() -> None:
    assert find_destination("comfy", None).registry == comfy_registry.COMFY_REGISTRY
    assert find_destination("ours", "https://x.example").registry == "https://x.example"
    with pytest.raises(typer.BadParameter, match="'theirs' is none of ours, comfy"):
        find_destination("theirs", None)


def test_a_keyring_keeps_tokens_by_registry() -> None:
    class Backend:
        name = "test"

        def __init__(self) -> None:
            self.kept: dict[tuple[str, str], str] = {}

        def get_password(self, service: str, name: str) -> str | None:
            return self.kept.get((service, name))

        def set_password(self, service: str, name: str, secret: str) -> None:
            self.kept[service, name] = secret

        def delete_password(self, service: str, name: str) -> None:
            del self.kept[service, name]

    store = KeyringStore(Backend())
    store.put("https://r.example", "T")
    assert store.get("https://r.example") == "T"
    assert store.forget("https://r.example")
    assert not store.forget("https://r.example")


def test_a_place_for_tokens_that_can_t_be_used_is_named(tokens: Path) -> None:
    tokens.write_text("no json")
    with pytest.raises(TokensUnusable, match=r"tokens\.json can't be used to keep tokens"):
        FileStore(tokens).get("a")
    with pytest.raises(TokensUnusable, match="name a file with --token-file"):
        FileStore(tokens / "below").put("a", "1")

    class Locked:
        name = "locked"

        def get_password(self, service: str, name: str) -> str:
            raise PermissionError("it is locked")

    with pytest.raises(TokensUnusable, match=r"the keyring \(locked\) can't be used .* \(it is locked\)"):
        KeyringStore(Locked(), (PermissionError,)).get("a")


def test_tokens_of_several_registries_do_not_touch_each_other(tokens: Path) -> None:
    store = FileStore(tokens)
    store.put("a", "1")
    store.put("b", "2")
    assert store.forget("a")
    assert (store.get("a"), store.get("b")) == (None, "2")
    assert [path.name for path in tokens.parent.glob("*tokens*")] == ["tokens.json"]

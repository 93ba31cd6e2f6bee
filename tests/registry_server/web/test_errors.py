"""What goes wrong with a page is told in a page, and in JSON to programs."""

from __future__ import annotations

import pytest

from tests.registry_server.web.shown import HOSTILE, Page
from tests.support.registry import Registry

BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/pack/nope", 404),
        ("/pack/colour-tools/versions/9.9.9", 404),
        ("/pack/colour-tools/versions/no-version", 400),
        ("/pack/banned-pack", 410),
        ("/pack/banned-pack/feed.atom", 410),
        ("/publisher/nobody", 404),
        ("/node/Nothing%20Like%20It", 404),
        ("/node", 404),
        ("/search?page=x", 400),
        ("/search?q=" + "a" * 501, 400),
        ("/duplicates?kind=other", 400),
        ("/static/none.css", 404),
    ],
)
def test_a_page_that_fails_is_a_page(site: Registry, path: str, status: int) -> None:
    answer = site.client.get(path)
    assert (answer.status_code, answer.headers["cache-control"]) == (status, "no-store")
    assert answer.headers["content-type"].startswith("text/html")
    assert "script-src" not in answer.headers["content-security-policy"]
    assert [tag for tag, _ in Page(answer.text).tags].count("h1") == 1


def test_the_reason_of_a_ban_is_told_as_text(site: Registry) -> None:
    page = Page(site.client.get("/pack/banned-pack").text)
    assert f"banned: It steals. {HOSTILE}" in page.text


def test_browsers_get_a_page_for_an_address_that_is_nowhere_and_programs_get_json(site: Registry) -> None:
    for_people = site.client.get("/nowhere/<b>", headers=BROWSER)
    assert for_people.status_code == 404
    assert "There is nothing at /nowhere/" in Page(for_people.text).text
    assert "b" not in {tag for tag, _ in Page(for_people.text).tags}
    assert site.client.get("/nowhere").json()["error"] == "NOT_FOUND"
    assert site.client.get("/api/v1/packs/nope", headers=BROWSER).json()["error"] == "NOT_FOUND"

"""Atom feeds."""

from __future__ import annotations

from xml.etree.ElementTree import fromstring

from registry_server.packs.tables import PackRow, ReleaseRow
from registry_server.web.feeds import atom_feed
from tests.support.registry import Registry

ATOM = "{http://www.w3.org/2005/Atom}"


def test_the_feed_has_what_was_published_last_first(site: Registry) -> None:
    answer = site.client.get("/feed.atom")
    assert answer.headers["content-type"].startswith("application/atom+xml")
    feed = fromstring(answer.text)
    titles = [entry.findtext(f"{ATOM}title") for entry in feed.iter(f"{ATOM}entry")]
    assert titles == ["copied-tools 1.0.0", "colour-tools 2.0.0b1", "colour-tools 1.1.0"]
    assert feed.findtext(f"{ATOM}id") == "http://testserver/feed.atom"
    updated = [entry.findtext(f"{ATOM}updated") or "" for entry in feed.iter(f"{ATOM}entry")]
    assert feed.findtext(f"{ATOM}updated") == max(updated) == updated[0]


def test_a_packs_feed_marks_what_was_yanked(site: Registry) -> None:
    feed = fromstring(site.client.get("/pack/colour-tools/feed.atom").text)
    titles = [entry.findtext(f"{ATOM}title") for entry in feed.iter(f"{ATOM}entry")]
    assert titles == ["colour-tools 2.0.0b1", "colour-tools 1.1.0", "colour-tools 1.0.0 (yanked)"]
    links = [link.get("href") for link in feed.iter(f"{ATOM}link")]
    assert "http://testserver/pack/colour-tools/versions/1.1.0" in links


def test_characters_that_xml_does_not_know_are_left_out() -> None:
    release = ReleaseRow(
        id="x", version="1", state="active", published_at="2026-03-01T12:00:00.5Z", changelog="a\x07<b>"
    )
    body = atom_feed("http://r", "/feed.atom", "New", [(release, PackRow(slug="p", author="\ud83d", description=""))])
    entry = fromstring(body).find(f"{ATOM}entry")
    assert entry is not None
    assert entry.findtext(f"{ATOM}summary") == "a<b>"

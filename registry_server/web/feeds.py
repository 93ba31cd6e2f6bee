"""Atom feeds of what was published (RFC 4287)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from xml.etree.ElementTree import Element, SubElement, tostring

from registry_server.clock import to_seconds
from registry_server.packs.tables import PackRow, ReleaseRow
from registry_server.web.links import pack_path
from sdk.registry import State

KIND = "application/atom+xml; charset=utf-8"
_LONGEST_SUMMARY = 2000
_NEVER = "1970-01-01T00:00:00"
_NO_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def atom_feed(root: str, path: str, title: str, releases: Iterable[tuple[ReleaseRow, PackRow]]) -> bytes:
    """A feed with an entry for each of these releases, newest first.

    Args:
        root: the registry's address.
        path: the feed's own, which is its id, too.
    """
    listed = list(releases)
    feed = Element("feed", {"xmlns": "http://www.w3.org/2005/Atom", "xml:lang": "en"})
    _text(feed, "id", f"{root}{path}")
    _text(feed, "title", title)
    _text(feed, "updated", to_seconds(max((release.published_at for release, _ in listed), default=_NEVER)))
    SubElement(feed, "link", {"rel": "self", "type": "application/atom+xml", "href": f"{root}{path}"})
    SubElement(feed, "link", {"rel": "alternate", "type": "text/html", "href": f"{root}/"})
    for release, pack in listed:
        _entry(feed, root, release, pack)
    written: bytes = tostring(feed, encoding="utf-8", xml_declaration=True)
    return written


def _entry(feed: Element, root: str, release: ReleaseRow, pack: PackRow) -> None:
    entry = SubElement(feed, "entry")
    mark = "" if release.state == State.ACTIVE else f" ({release.state})"
    _text(entry, "id", f"urn:uuid:{release.id}")
    _text(entry, "title", f"{pack.slug} {release.version}{mark}")
    _text(entry, "updated", to_seconds(release.published_at))
    author = SubElement(entry, "author")
    _text(author, "name", (pack.publisher.name or pack.publisher.id) if pack.publisher else pack.author or "unknown")
    address = f"{root}{pack_path(pack.slug, release.version)}"
    SubElement(entry, "link", {"rel": "alternate", "type": "text/html", "href": address})
    _text(entry, "summary", (release.changelog or pack.description)[:_LONGEST_SUMMARY])


def _text(parent: Element, name: str, text: str) -> None:
    SubElement(parent, name).text = _NO_XML.sub("", text)

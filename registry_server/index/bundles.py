"""Changes together with the documents they led to, so that a client asks once and not once for each pack."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from registry_server.index.changes import decode_change_row
from sdk.registry import encode_bundle, fold

MOST_BUNDLED = 1000
MOST_BYTES = 4 * 2**20
"""Of documents in one answer, more or less: what is left is in the next one."""
_AT_ONCE = 100

Rows = Callable[..., list[Any]]


def bundle(changes: Sequence[Any], rows: Rows) -> bytes:
    """The first of these changes, with each pack's document as of its last change, if it is still the newest.

    A document that isn't was followed by a change that the client has yet to read, which brings the newer one.

    Args:
        changes: serial, kind, pack, version, digest and time of each, oldest first.
        rows: executes a query with ``?`` for values.
    """
    documents: list[bytes] = []
    size = taken = 0
    while taken < len(changes) and size < MOST_BYTES:
        part = changes[taken : taken + _AT_ONCE]
        found = _documents([(fold(pack), serial) for serial, _, pack, _, name, _ in part if name], rows)
        documents += found
        size += sum(map(len, found))
        taken += len(part)
    return encode_bundle(map(decode_change_row, changes[:taken]), documents)


def _documents(wanted: list[tuple[str, int]], rows: Rows) -> list[bytes]:
    if not wanted:
        return []
    values = ", ".join(["(?, ?)"] * len(wanted))
    query = (
        f"WITH wanted(folded, serial) AS (VALUES {values}) SELECT body FROM wanted CROSS JOIN pack_documents AS d "
        "WHERE d.folded = wanted.folded AND d.serial = wanted.serial AND d.current ORDER BY d.serial"
    )
    return [bytes(row[0]) for row in rows(query, *(value for pair in wanted for value in pair))]

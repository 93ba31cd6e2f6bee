"""A CSV file that rows are added to, whole or not at all."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path

COLUMNS = ("time", "job", "node", "type", "version", "state", "seconds", "error")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


class Table:
    """Appends rows; the first one written to a file puts the headings above it.

    Not for several threads at once.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def add(self, row: Mapping[str, object]) -> None:
        """Add one row, by column name; missing columns stay empty.

        Raises:
            OSError: the file can't be written.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        text = io.StringIO()
        writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
        if not self.path.exists() or self.path.stat().st_size == 0:
            writer.writeheader()
        writer.writerow({name: _plain(value) for name, value in row.items()})
        with self.path.open("ab") as file:  # one write a row: another process never sees half of one
            file.write(text.getvalue().encode())


def _plain(value: object) -> object:
    """A text that a spreadsheet takes for text, whatever a workflow calls its nodes."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value

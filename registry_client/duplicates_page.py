"""Groups of duplicates as one HTML page that needs nothing else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from html import escape

from registry_client.duplicates import Group

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Duplicate nodes</title>
<meta name="viewport" content="width=device-width">
<style>
body {{ font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem; padding: 0 1rem }}
table {{ border-collapse: collapse; width: 100% }}
th, td {{ border-bottom: 1px solid #8884; padding: .3rem .6rem; text-align: left; vertical-align: top }}
h2 {{ margin-top: 2rem }} code {{ overflow-wrap: anywhere }}
@media (prefers-color-scheme: dark) {{ body {{ background: #181818; color: #ddd }} }}
</style></head><body>
<h1>Duplicate nodes</h1>
<p>{summary}</p>
{sections}
</body></html>
"""
_SECTION = "<h2 id={anchor}>{kind} ({count})</h2>\n<table><tr><th>{kind}</th><th>nodes</th></tr>\n{rows}\n</table>\n"


def render(groups: Sequence[Group]) -> str:
    """The page."""
    counts = Counter(group.kind for group in groups)
    summary = ", ".join(f"{count} by {kind}" for kind, count in counts.items()) or "There are none."
    sections = "".join(_section(kind, [group for group in groups if group.kind == kind]) for kind in counts)
    return _PAGE.format(summary=escape(summary), sections=sections)


def _section(kind: str, groups: Sequence[Group]) -> str:
    rows = "\n".join(map(_row, groups))
    anchor = escape(repr(kind.replace(" ", "-")))
    return _SECTION.format(anchor=anchor, kind=escape(kind), count=len(groups), rows=rows)


def _row(group: Group) -> str:
    similarity = f" ({group.similarity:.0%})" if group.similarity < 1 else ""
    members = "<br>".join(
        f"{escape(m.pack)}: <code>{escape(m.id)}</code>{f' {escape(m.place)}' if m.place else ''}"
        for m in group.members
    )
    return f"<tr><td><code>{escape(group.key[:80])}</code>{similarity}</td><td>{members}</td></tr>"

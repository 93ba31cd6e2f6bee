"""The web API's description as a page that needs nothing from anywhere else: no scripts, no style sheets of others."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title><style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }}
section {{ border-top: 1px solid #8884; padding: .5rem 0; }}
code {{ font: 14px ui-monospace, monospace; }} .way {{ font-weight: 600; }}
pre {{ white-space: pre-wrap; font: inherit; margin: .25rem 0; }} td, th {{ text-align: left; padding-right: 1rem; }}
:root {{ color-scheme: light dark; }}
</style></head><body><h1>{title}</h1><p>{description}</p>
<p>For programs: <a href="openapi.json">openapi.json</a>.</p>{sections}</body></html>
"""


def api_page(described: Mapping[str, Any]) -> str:
    """An OpenAPI description as HTML: a section for each route, grouped by tag."""
    info = described.get("info", {})
    groups: dict[str, list[str]] = {}
    for path, ways in described.get("paths", {}).items():
        for method, way in ways.items():
            tag = next(iter(way.get("tags") or ()), "more")
            groups.setdefault(tag, []).append(_section(method, path, way))
    sections = "".join(f"<h2>{escape(tag)}</h2>{''.join(parts)}" for tag, parts in groups.items())
    return _PAGE.format(
        title=escape(info.get("title", "")), description=escape(info.get("description", "")), sections=sections
    )


def _section(method: str, path: str, way: Mapping[str, Any]) -> str:
    rows = "".join(
        f"<tr><td><code>{escape(item['name'])}</code></td><td>{escape(item['in'])}</td></tr>"
        for item in way.get("parameters", ())
    )
    table = f"<table>{rows}</table>" if rows else ""
    said = escape(way.get("description", ""))
    heading = f"<code class=way>{method.upper()} {escape(path)}</code>"
    return f"<section>{heading}<pre>{said}</pre>{table}</section>"

"""Comments by which authors answer a finding: ``# comfy-nodes: ignore[CN110] the command is constant``."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Iterator, Mapping

from sdk.checks.findings import Finding

_COMMENT = re.compile(r"#\s*comfy-nodes:\s*ignore\[(?P<ids>[A-Z0-9, ]+)\]\s*(?P<reason>.*)")


def read_suppressions(source: str) -> dict[int, dict[str, str]]:
    """Rule ids with reasons, by line; a comment on a line of its own is about the next line."""
    found: dict[int, dict[str, str]] = {}
    for number, line in enumerate(source.splitlines(), start=1):
        if match := _COMMENT.search(line):
            reasons = {name.strip(): match["reason"].strip() or "no reason given" for name in match["ids"].split(",")}
            alone = line.lstrip().startswith("#")
            found.setdefault(number + 1 if alone else number, {}).update(reasons)
    return found


def apply_suppressions(
    findings: Iterable[Finding], by_file: Mapping[str, Mapping[int, Mapping[str, str]]]
) -> Iterator[Finding]:
    """The same findings; suppressed ones become ``info`` and say why. Those of high severity stay as they are."""
    for finding in findings:
        reason = by_file.get(finding.file, {}).get(finding.line, {}).get(finding.id, "")
        if reason and finding.severity == "high":
            note = f"{finding.message} (the comment that asks to ignore it does not count: the severity is high)"
            yield dataclasses.replace(finding, message=note)
        elif reason:
            yield dataclasses.replace(finding, severity="info", suppressed=reason)
        else:
            yield finding

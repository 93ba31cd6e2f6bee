"""What a check finds."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

SEVERITIES = ("high", "medium", "low", "info")


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that a rule objects to.

    Attributes:
        id: of the rule, such as ``CN101``; ``sdk.checks.RULES`` explains it.
        severity: ``high`` keeps a release from being resolved; ``medium``, ``low`` and ``info`` are shown.
        file, line: where, relative to the pack's folder; line 0 for the file as a whole, "" for the pack.
        fix: what the author can do.
        suppressed: the author's reason for a comment ``# comfy-nodes: ignore[CN110] reason``; the finding is then
            ``info``, and still listed.
    """

    id: str
    severity: str
    message: str
    file: str = ""
    line: int = 0
    fix: str = ""
    suppressed: str = ""

    def as_json(self) -> dict[str, Any]:
        """The finding as APIs and ``--json`` show it."""
        return {key: value for key, value in asdict(self).items() if value or key != "suppressed"}

    @property
    def order(self) -> tuple[int, str, int, str]:
        """Sorts by severity, then by place."""
        return SEVERITIES.index(self.severity), self.file, self.line, self.id

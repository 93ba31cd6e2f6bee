"""The rules that authors and the registry check packs against; ``docs/checks.md`` explains each."""

from sdk.checks.checking import check_pack
from sdk.checks.findings import SEVERITIES, Finding
from sdk.checks.rules import RULES, Rule

__all__ = ["RULES", "SEVERITIES", "Finding", "Rule", "check_pack"]

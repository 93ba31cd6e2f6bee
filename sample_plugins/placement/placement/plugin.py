"""The hooks that follow the rules file."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from placement.attention import attention_function
from placement.rules import Rules, first_match, read_rules
from sdk import Identity, hookimpl

RULES_VARIABLE = "PLACEMENT_RULES"


class PlacementRules:
    """Answers by rules; what no rule speaks of is left to the host."""

    def __init__(self, rules: Rules) -> None:
        self.rules = rules

    @hookimpl
    def choose_device(self, part: str, identity: Identity) -> str | None:
        found = first_match(self.rules.device, part, identity.family, identity.kind)
        return found[0] if found else None

    @hookimpl
    def choose_attention(self, part: str, identity: Identity) -> Callable[..., Any] | None:
        found = first_match(self.rules.attention, part, identity.family, identity.kind)
        return attention_function(found) if found else None


def from_environment(environment: Mapping[str, str]) -> PlacementRules:
    """The rules in the file that the environment names; none where it names no file.

    Raises:
        BadRules: the file can't be used; the host then leaves the pack out and says why.
    """
    path = environment.get(RULES_VARIABLE, "").strip()
    return PlacementRules(read_rules(Path(path).expanduser()) if path else Rules())


rules = from_environment(os.environ)

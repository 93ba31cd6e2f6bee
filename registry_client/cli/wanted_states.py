"""What ``sync`` can be given: a lock, or a picture that says which packs made it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from registry_client.client import Client
from registry_client.lockfile import Lock, differences
from registry_client.planning import Plan
from registry_client.restoring import record_of_lock
from sdk import provenance
from sdk.workspace import Generation


class WantedState(Protocol):
    """What shall be installed."""

    def differences(self) -> list[str]:
        """What is otherwise in the installation, a sentence each."""

    def plan(self) -> Plan:
        """What would change."""

    def install(self, plan: Plan, *, import_check: bool) -> Generation | None:
        """Do it; None where nothing changes."""


@dataclass(frozen=True)
class FromLock:
    """What a lock says."""

    client: Client
    path: Path
    wanted: Lock

    def differences(self) -> list[str]:
        return differences(self.wanted, self.client.lock())

    def plan(self) -> Plan:
        return Plan(self.client.workspace.lock_if_readable() or Lock(), self.wanted)

    def install(self, plan: Plan, *, import_check: bool) -> Generation | None:
        return self.client.sync(plan.lock, f"sync {self.path.name}", import_check=import_check)


@dataclass(frozen=True)
class FromRecord:
    """What a picture says of the packs that made it."""

    client: Client
    path: Path
    record: Mapping[str, Any]

    def differences(self) -> list[str]:
        return provenance.differences(self.record, record_of_lock(self.client.lock()))

    def plan(self) -> Plan:
        return self.client.plan_record(self.record)

    def install(self, plan: Plan, *, import_check: bool) -> Generation | None:
        return self.client.apply(plan, f"sync {self.path.name}", import_check=import_check)

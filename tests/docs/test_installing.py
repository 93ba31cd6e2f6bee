"""The pages about installing say what there is."""

from __future__ import annotations

import re
from dataclasses import fields
from importlib.metadata import entry_points
from pathlib import Path

from registry_client.lockfile import LockedPack, LockedWheel
from sdk.commands import COMMANDS_GROUP

DOCS = Path(__file__).parents[2] / "docs"


def test_every_command_of_the_client_is_on_the_page_and_every_command_on_the_page_is_there() -> None:
    page = (DOCS / "installing.md").read_text(encoding="utf-8")
    ours = {e.name for e in entry_points(group=COMMANDS_GROUP) if e.value.startswith("registry_client.")}
    known = ours | {"run"}
    assert set(re.findall(r"comfy-nodes ([a-z]+)", page)) <= known
    missing = {name for name in ours if not re.search(rf"`?\b{name}\b", page)}
    assert not missing


def test_every_key_of_the_lock_is_on_its_page() -> None:
    page = (DOCS / "lock_file.md").read_text(encoding="utf-8")
    for record in (LockedPack, LockedWheel):
        for field in fields(record):
            assert re.search(rf"\b{field.name}\b", page), field.name

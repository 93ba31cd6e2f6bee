"""What pictures say of the packs that made them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from host.provenance import KEY, NoRecord, OtherPacks, check_same, record_of, with_record
from sdk.workspace import Generation, InstalledPack

FILE = Path("picture.png")


def generation(folder: Path, *packs: tuple[str, str, bool]) -> Generation:
    (folder / "lock.toml").write_text(f"# {packs}")
    made = [InstalledPack(id=id_, version=v, folder=folder, sha256=f"sha-{v}", enabled=on) for id_, v, on in packs]
    return Generation(number=1, folder=folder, packs=tuple(made))


def record(folder: Path, *packs: tuple[str, str, bool]) -> dict[str, Any]:
    return record_of(generation(folder, *packs))


def test_the_record_names_the_lock_and_the_packs_that_take_part(tmp_path: Path) -> None:
    found = record(tmp_path, ("acme-tint", "1.0", True), ("asleep", "2.0", False))
    assert found["packs"] == {"acme-tint": {"version": "1.0", "sha256": "sha-1.0"}}
    assert len(found["lock"]) == 64
    assert record_of(None) == {}


def test_an_older_record_never_gets_into_a_new_picture(tmp_path: Path) -> None:
    old = {"extra_pnginfo": {KEY: {"packs": {}}, "workflow": {"nodes": []}}, "client": 1}
    new = record(tmp_path, ("acme-tint", "1.0", True))
    assert with_record(old, new) == {"extra_pnginfo": {KEY: new, "workflow": {"nodes": []}}, "client": 1}
    assert with_record(old, {}) == {"extra_pnginfo": {"workflow": {"nodes": []}}, "client": 1}
    assert with_record({}, {}) == {}


def test_an_installation_is_compared_pack_by_pack(tmp_path: Path) -> None:
    wanted = record(tmp_path, ("same", "1.0", True), ("other", "1.0", True), ("gone", "3.0", True))
    here = record(tmp_path, ("same", "1.0", True), ("other", "2.0", True), ("new", "1.0", True))
    with pytest.raises(OtherPacks) as raised:
        check_same(wanted, here, FILE)
    assert raised.value.differences == (
        "other 1.0 is wanted, and 2.0 is installed",
        "gone 3.0 is missing",
        "new 1.0 is installed, and took no part",
    )
    assert "comfy-nodes run --locked --install picture.png" in str(raised.value)
    check_same(wanted, wanted, FILE)


def test_the_same_packs_with_another_lock_are_not_the_same(tmp_path: Path) -> None:
    wanted = record(tmp_path, ("same", "1.0", True))
    with pytest.raises(OtherPacks, match="Python packages"):
        check_same(wanted, {**wanted, "lock": "0" * 64}, FILE)


@pytest.mark.parametrize("wanted", [None, "text", {}, {"packs": 3}, {"packs": {"a": 1}}])
def test_a_file_without_a_record_says_so(wanted: object) -> None:
    with pytest.raises(NoRecord, match=r"picture\.png does not say"):
        check_same(wanted, {}, FILE)

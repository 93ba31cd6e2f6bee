"""Edited code counts as other code, also where its version stays the same."""

from __future__ import annotations

import os
from importlib import metadata
from pathlib import Path

from host.code_stamps import code_stamp, installed_stamp
from host.packs import installed_packs


def write_distribution(folder: Path, *, record: str | None, direct: str | None = None) -> metadata.Distribution:
    info = folder / "probe-1.0.dist-info"
    info.mkdir(exist_ok=True)
    for name, text in (("RECORD", record), ("direct_url.json", direct)):
        if text is not None:
            (info / name).write_text(text)
    return metadata.Distribution.at(info)


def test_a_stamp_changes_with_any_source_below(tmp_path: Path) -> None:
    (tmp_path / "deep" / "__pycache__").mkdir(parents=True)
    inner = tmp_path / "deep" / "a.py"
    inner.write_text("x = 1")
    before = code_stamp(tmp_path)
    (tmp_path / "notes.txt").write_text("other")
    (tmp_path / "deep" / "__pycache__" / "a.py").write_text("other")
    assert code_stamp(tmp_path) == before
    inner.write_text("x = 2")
    os.utime(inner, ns=(1, 1))
    assert code_stamp(tmp_path) != before
    assert code_stamp(inner) != code_stamp(tmp_path)


def test_a_place_that_is_gone_is_no_error(tmp_path: Path) -> None:
    assert code_stamp(tmp_path / "none") == code_stamp()


def test_an_installed_distribution_is_known_by_its_record(tmp_path: Path) -> None:
    first = installed_stamp(write_distribution(tmp_path, record="a.py,sha256=1,1"), ["host"])
    assert installed_stamp(write_distribution(tmp_path, record="a.py,sha256=1,1"), ["sdk"]) == first
    assert installed_stamp(write_distribution(tmp_path, record="a.py,sha256=2,1"), ["host"]) != first


def test_one_installed_as_a_link_is_known_by_its_sources(tmp_path: Path) -> None:
    linked = write_distribution(tmp_path, record="x", direct='{"dir_info": {"editable": true}, "url": "file:///x"}')
    package = Path(installed_stamp.__code__.co_filename).parent
    assert installed_stamp(linked, ["host"]) == code_stamp(package)
    assert installed_stamp(linked, ["no_such_package_xyz"]) == code_stamp()


def test_results_of_the_built_in_nodes_are_not_reused_once_the_code_changed() -> None:
    core = next(source for source in installed_packs() if source.name == "core")
    assert core.revision
    node = next(iter(core.load().values())).register_nodes()[0]
    assert node.revision == ""  # the registry fills it in

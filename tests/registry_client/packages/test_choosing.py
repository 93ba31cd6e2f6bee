"""Python packages around what the host has. uv runs, without a network."""

from __future__ import annotations

from pathlib import Path

import pytest
from packaging.version import Version

from registry_client.errors import InstallFailed, ShadowsHost, Unreachable
from registry_client.lockfile import LockedWheel
from registry_client.packages.choosing import PacksDisagree, choose_wheels, parse_pins, write_pins
from registry_client.packages.site import build_site, check_site, site_name
from registry_client.packages.uv import Uv
from registry_client.resolution.candidates import Candidate
from tests.support.registry_client import HOST, release
from tests.support.registry_folder import write_wheel


@pytest.fixture
def wheels(tmp_path: Path) -> Path:
    folder = tmp_path / "wheels"
    write_wheel(folder, "grey-lib", "1.0", {"grey_lib.py": "V = 1"})
    write_wheel(folder, "grey-lib", "2.0", {"grey_lib.py": "V = 2"}, ["deep-lib>=2"])
    write_wheel(folder, "deep-lib", "1.0", {"deep_lib.py": ""})
    write_wheel(folder, "deep-lib", "2.0", {"deep_lib.py": ""}, ["torch>=2"])
    write_wheel(folder, "old-torch-lib", "1.0", {"old_torch_lib.py": ""}, ["torch<2"])
    return folder


def uv(wheels: Path) -> Uv:
    return Uv((str(wheels),), offline=True)


def candidate(name: str, *requirements: str) -> Candidate:
    return Candidate(id=name, release=release("1.0", *requirements), version=Version("1.0"), registry="r")


def test_what_the_host_has_is_a_fact_and_is_not_looked_up(wheels: Path) -> None:
    found = choose_wheels([candidate("a", "torch>=2", "numpy", "grey-lib")], HOST, uv(wheels))
    assert [(wheel.name, wheel.version) for wheel in found] == [("deep-lib", "2.0"), ("grey-lib", "2.0")]
    assert all(wheel.hashes for wheel in found)


def test_packs_without_requirements_need_no_uv() -> None:
    assert choose_wheels([candidate("a")], HOST, Uv(("/nowhere",), offline=True)) == ()


def test_all_packs_are_resolved_together(wheels: Path) -> None:
    found = choose_wheels([candidate("a", "grey-lib"), candidate("b", "grey-lib<2")], HOST, uv(wheels))
    assert [(wheel.name, wheel.version) for wheel in found] == [("grey-lib", "1.0")]


def test_a_conflict_that_lies_deeper_names_the_packs_and_no_others(wheels: Path) -> None:
    packs = [candidate("a", "grey-lib>=2"), candidate("innocent", "numpy"), candidate("Bolt", "deep-lib<2")]
    with pytest.raises(PacksDisagree) as caught:
        choose_wheels(packs, HOST, uv(wheels))
    assert [pack.id for pack in caught.value.packs] == ["a", "Bolt"]
    assert "deep-lib" in caught.value.cause().detail
    assert "innocent" not in caught.value.text


def test_a_package_that_contradicts_the_host_deeper_down_is_found_too(wheels: Path) -> None:
    with pytest.raises(PacksDisagree) as caught:
        choose_wheels([candidate("a", "old-torch-lib"), candidate("b", "grey-lib")], HOST, uv(wheels))
    assert [pack.id for pack in caught.value.packs] == ["a"]
    assert "torch" in caught.value.text


def test_pins_survive_writing_and_reading(tmp_path: Path) -> None:
    wheels = (
        LockedWheel(name="a", version="1.0+x", hashes=("sha256:00", "sha256:11")),
        LockedWheel(name="b", version="", hashes=("sha256:22",), url="https://example/b-1-py3-none-any.whl"),
    )
    write_pins(wheels, tmp_path / "pins")
    assert parse_pins((tmp_path / "pins").read_text()) == wheels


def test_a_site_holds_what_was_pinned(wheels: Path, tmp_path: Path) -> None:
    chosen = choose_wheels([candidate("a", "grey-lib")], HOST, uv(wheels))
    build_site(chosen, tmp_path / "site", uv(wheels))
    assert (tmp_path / "site" / "grey_lib.py").read_text() == "V = 2"


def test_a_wheel_whose_hash_is_another_one_is_refused(wheels: Path, tmp_path: Path) -> None:
    forged = LockedWheel(name="grey-lib", version="1.0", hashes=("sha256:" + "0" * 64,))
    with pytest.raises(InstallFailed, match="grey-lib"):
        build_site([forged], tmp_path / "site", uv(wheels))


def test_the_same_wheels_share_a_site() -> None:
    one, other = LockedWheel(name="a", version="1"), LockedWheel(name="a", version="2")
    assert site_name([one]) == site_name([one]) != site_name([other])


@pytest.mark.parametrize(
    ("modules", "owner"),
    [
        ({"packaging/__init__.py": ""}, "packaging"),
        ({"json/__init__.py": ""}, "Python itself"),
        ({"typer.py": ""}, "typer"),
    ],
)
def test_a_package_that_brings_a_module_of_the_host_is_refused(
    modules: dict[str, str], owner: str, tmp_path: Path
) -> None:
    folder = tmp_path / "wheels"
    write_wheel(folder, "sly", "1.0", modules)
    found = choose_wheels([candidate("a", "sly")], HOST, uv(folder))
    with pytest.raises(ShadowsHost) as caught:
        build_site(found, tmp_path / "site", uv(folder))
    assert owner in caught.value.owner
    assert caught.value.package == "sly"


def test_two_packages_with_the_same_module_are_refused(tmp_path: Path) -> None:
    folder = tmp_path / "wheels"
    write_wheel(folder, "cv-one", "1.0", {"seen_twice/__init__.py": ""})
    write_wheel(folder, "cv-two", "1.0", {"seen_twice/__init__.py": ""})
    found = choose_wheels([candidate("a", "cv-one", "cv-two")], HOST, uv(folder))
    with pytest.raises(ShadowsHost, match="seen_twice"):
        build_site(found, tmp_path / "site", uv(folder))


def test_namespace_packages_may_share_a_folder_but_no_file(tmp_path: Path) -> None:
    host, site = tmp_path / "host", tmp_path / "site"
    (host / "shared_space").mkdir(parents=True)
    (host / "shared_space" / "mine.py").write_text("")
    write_site(site, "theirs", ["shared_space/theirs.py"])
    check_site(site, [str(host)])
    write_site(site, "thief", ["shared_space/mine.py"])
    with pytest.raises(ShadowsHost):
        check_site(site, [str(host)])


def write_site(site: Path, name: str, files: list[str]) -> None:
    info = site / f"{name}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "RECORD").write_text("".join(f"{file},,\n" for file in files))


def test_without_a_network_what_is_missing_is_named_and_what_to_do(wheels: Path) -> None:
    with pytest.raises(Unreachable, match=r"absent-lib was not found .*--find-links") as caught:
        choose_wheels([candidate("a", "absent-lib")], HOST, uv(wheels))
    assert "Check the address" not in str(caught.value)

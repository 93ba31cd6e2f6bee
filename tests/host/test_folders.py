from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from host.folders import LocalFolders, MissingFile, UnsafeName, UnusableFolder
from sdk.errors import NodeError

NOW = datetime(2026, 3, 4, 5, 6, 7)


class TwoLoras:
    def names(self, kind: str) -> Sequence[str]:
        return ("a.safetensors", "b.safetensors") if kind == "loras" else ()

    def find(self, kind: str, name: str) -> Path:
        if name not in self.names(kind):
            raise NodeError(f"no {kind} {name}")
        return Path("/models") / kind / name


@pytest.fixture
def folders(tmp_path: Path) -> LocalFolders:
    for root in ("input/sub", "output", "temp"):
        (tmp_path / root).mkdir(parents=True)
    return LocalFolders(tmp_path, TwoLoras(), now=lambda: NOW)


def test_model_files_are_the_librarys_business(folders: LocalFolders) -> None:
    assert folders.names("loras") == ("a.safetensors", "b.safetensors")
    assert folders.find("loras", "b.safetensors") == Path("/models/loras/b.safetensors")


@pytest.mark.parametrize(
    ("name", "where"),
    [
        ("x.png", "input/x.png"),
        ("sub/x.png", "input/sub/x.png"),
        ("sub/../x.png", "input/x.png"),
        ("x.png [input]", "input/x.png"),
        ("x.png [output]", "output/x.png"),
        ("x.png[temp]", "temp/x.png"),
        ("odd [name].png", "input/odd [name].png"),
    ],
)
def test_a_name_is_looked_up_where_its_annotation_says(
    folders: LocalFolders, tmp_path: Path, name: str, where: str
) -> None:
    (tmp_path / where).touch()
    assert folders.input_file(name) == tmp_path / where


def test_a_missing_file_is_named_together_with_its_folder(folders: LocalFolders, tmp_path: Path) -> None:
    with pytest.raises(MissingFile, match=r"no file 'gone\.png'.*output") as caught:
        folders.input_file("gone.png [output]")
    assert caught.value.folder == tmp_path / "output"


@pytest.mark.parametrize("name", ["", "sub", "x" * 300, "x.png/y", "loop.png"])
def test_what_is_no_file_is_missing(folders: LocalFolders, tmp_path: Path, name: str) -> None:
    (tmp_path / "input/x.png").touch()
    (tmp_path / "input/loop.png").symlink_to("loop.png")
    with pytest.raises(MissingFile):
        folders.input_file(name)
    assert folders.input_names() == ["x.png"]


HOSTILE = [
    *("..", "../x", "sub/../../x", "/etc/passwd", "a\0b", "\ud800.png"),
    *("nul", "con.png", "sub/AUX.txt/x", "com1", "LPT9.tar.gz", "nul .png"),
]


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_are_refused_for_reading_and_for_writing(folders: LocalFolders, name: str) -> None:
    with pytest.raises(UnsafeName):
        folders.input_file(name)
    with pytest.raises(UnsafeName):
        folders.place(name)


@given(name=st.text(st.sampled_from("./\\ab:%[]_ \0~"), max_size=20))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
def test_no_name_leads_out_of_its_folder(folders: LocalFolders, tmp_path: Path, name: str) -> None:
    try:
        path = folders.inside("output", name)
    except UnsafeName:
        return
    assert path.resolve().is_relative_to(tmp_path / "output")


def test_a_folder_that_can_be_made_is_writable_and_is_not_made_for_that(folders: LocalFolders, tmp_path: Path) -> None:
    (tmp_path / "output").rmdir()
    folders.check_writable("output")
    assert not (tmp_path / "output").exists()


def test_a_folder_below_a_file_is_not_writable(folders: LocalFolders, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    odd = LocalFolders(tmp_path, TwoLoras(), elsewhere={"output": tmp_path / "file" / "deep" / "er"})
    with pytest.raises(UnusableFolder, match="file is a file"):
        odd.check_writable("output")


def test_a_folder_that_the_system_lets_nobody_write_to_is_not_writable(folders: LocalFolders, tmp_path: Path) -> None:
    odd = LocalFolders(tmp_path, TwoLoras(), elsewhere={"output": Path("/proc/self/output")})
    if os.access("/proc/self", os.W_OK):  # only a system without write protection there
        pytest.skip("needs a folder that this user can not write to, such as Linux's /proc/self")
    with pytest.raises(UnusableFolder, match="nothing can be written to /proc/self"):
        odd.check_writable("output")


def test_links_that_lead_out_are_neither_followed_nor_offered(folders: LocalFolders, tmp_path: Path) -> None:
    (tmp_path / "secret.png").touch()
    (tmp_path / "input/link.png").symlink_to(tmp_path / "secret.png")
    (tmp_path / "input/here.png").touch()
    (tmp_path / "input/alias.png").symlink_to(tmp_path / "input/here.png")
    (tmp_path / "output/away").symlink_to(tmp_path)
    with pytest.raises(UnsafeName, match="follows a link"):
        folders.input_file("link.png")
    with pytest.raises(UnsafeName, match="follows a link"):
        folders.place("away/x")
    assert folders.input_names() == ["alias.png", "here.png"]


def test_the_base_itself_may_lie_behind_a_link(tmp_path: Path) -> None:
    (tmp_path / "real/input").mkdir(parents=True)
    (tmp_path / "real/input/x.png").touch()
    (tmp_path / "base").symlink_to(tmp_path / "real")
    assert LocalFolders(tmp_path / "base", TwoLoras()).input_file("x.png").is_file()


def test_a_folder_may_lie_elsewhere(tmp_path: Path) -> None:
    folders = LocalFolders(tmp_path / "base", TwoLoras(), elsewhere={"output": tmp_path / "disk2"})
    assert folders.place("x").folder == tmp_path / "disk2"
    assert folders.root("temp") == tmp_path / "base/temp"


def test_choices_are_the_files_directly_in_the_input_folder(folders: LocalFolders, tmp_path: Path) -> None:
    for name in ("b.PNG", "a.webp", "c.txt", "sub/d.png", "noend"):
        (tmp_path / "input" / name).touch()
    assert folders.choices("input") == ["a.webp", "b.PNG", "c.txt", "noend"]
    assert folders.choices("input:image") == ["a.webp", "b.PNG"]
    assert folders.choices("folder:loras") == ("a.safetensors", "b.safetensors")


@pytest.mark.parametrize("source", ["samplers", "folder:", "input:fonts", ""])
def test_a_source_that_is_not_of_files_is_refused(folders: LocalFolders, source: str) -> None:
    with pytest.raises(LookupError, match="no source of files"):
        folders.choices(source)


def test_without_an_input_folder_there_are_no_choices(tmp_path: Path) -> None:
    assert LocalFolders(tmp_path / "new", TwoLoras()).choices("input") == []


@pytest.mark.parametrize(
    ("prefix", "stem", "subfolder"),
    [
        ("x", "x", ""),
        ("a/b/x", "x", "a/b"),
        ("a/../x", "x", ""),
        ("x/", "x", ""),
        ("", ".", ""),
        (" x ", " x ", ""),
        ("%width%x%height%", "64x32", ""),
        ("%year%/%month%-%day%", "03-04", "2026"),
        ("%hour%%minute%%second%_%date:yyyy%", "050607_%date:yyyy%", ""),
        ("%batch_num%", "%batch_num%", ""),
    ],
)
def test_a_prefix_gives_folder_and_stem(
    folders: LocalFolders, tmp_path: Path, prefix: str, stem: str, subfolder: str
) -> None:
    place = folders.place(prefix, size=(64, 32))
    assert (place.stem, place.subfolder, place.counter, place.root) == (stem, subfolder, 1, "output")
    assert place.folder == tmp_path / "output" / subfolder
    assert place.folder.is_dir()


def test_a_token_is_not_filled_in_twice(folders: LocalFolders) -> None:
    assert folders.place("%%width%height%", size=(1, 2)).stem == "%1height%"


def test_numbers_go_on_after_the_highest_one_of_the_same_stem(folders: LocalFolders, tmp_path: Path) -> None:
    taken = (
        "ct_00007_.png",
        "ct_12_.webp",
        "ctt_50_.png",
        "ct_x_.png",
        "ct_00030.png",
        "ct",
        "ct_²_.png",
        "CT_99_.png",
    )
    for name in taken:
        (tmp_path / "output" / name).touch()
    assert folders.place("ct").counter == 13


def test_previews_go_to_the_temporary_folder(folders: LocalFolders, tmp_path: Path) -> None:
    place = folders.place("p", root="temp")
    assert (place.folder, place.root) == (tmp_path / "temp", "temp")


def test_a_file_in_the_way_of_a_folder_is_reported(folders: LocalFolders, tmp_path: Path) -> None:
    (tmp_path / "output/busy").touch()
    with pytest.raises(UnusableFolder, match="busy"):
        folders.place("busy/x")


def test_a_name_the_file_system_does_not_take_is_reported(folders: LocalFolders) -> None:
    with pytest.raises(UnusableFolder, match="too long"):
        folders.place("x" * 300 + "/y")


def test_a_place_is_cleared_of_what_killed_writers_left(folders: LocalFolders) -> None:
    folder = folders.place("picture").folder
    code = "from sdk.part_files import part_name; print(part_name())"
    writer = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    left = folder / writer.stdout.strip()
    left.write_bytes(b"half a picture")
    assert folders.place("picture").counter == 1
    assert not left.exists()

"""Requirements as a user writes them, settings, and packs from elsewhere than a registry."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from registry_client.errors import BadRequirement, BadSettings, InstallFailed, NotThere
from registry_client.lockfile import LockedPack
from registry_client.requirements import DirectSource, Wanted, read_wanted
from registry_client.settings import FILE_NAME, RegistrySettings, load_settings
from registry_client.sources import prepare, prepare_again
from sdk.archives import ArchiveError
from sdk.errors import ManifestError
from tests.support.registry_folder import pack_files, write_pack, zip_bytes


def git(*arguments: str, at: Path) -> str:
    who = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
    return subprocess.run(["git", *who, *arguments], cwd=at, check=True, capture_output=True, text=True).stdout.strip()


@pytest.mark.parametrize("text", ["acme-tint", "acme_tint>=1.2,<2", "other==0.4.1", "a.b"])
def test_ids_and_ranges_are_packs_of_a_registry(text: str, tmp_path: Path) -> None:
    found = read_wanted(text, tmp_path)
    assert isinstance(found, Wanted)
    assert str(found).startswith(found.id)


def test_a_folder_of_the_same_name_is_not_taken_for_a_pack(tmp_path: Path) -> None:
    (tmp_path / "acme").mkdir()
    assert isinstance(read_wanted("acme", tmp_path), Wanted)
    assert read_wanted("./acme", tmp_path) == DirectSource("folder", str(tmp_path / "acme"))


def test_git_addresses_have_a_revision_or_none() -> None:
    place = Path()
    assert read_wanted("git+https://h/x/y.git@v1", place) == DirectSource("git", "https://h/x/y.git", "v1")
    assert read_wanted("git+https://h/x/y", place) == DirectSource("git", "https://h/x/y")
    assert read_wanted("git+ssh://git@h/x/y@main", place) == DirectSource("git", "ssh://git@h/x/y", "main")


@pytest.mark.parametrize(
    "text", ["", "a b", "a[extra]", "a; python_version>'3'", "a @ https://x", "./none", "none.zip", "git+ext::sh -c x"]
)
def test_anything_else_is_refused(text: str, tmp_path: Path) -> None:
    with pytest.raises(BadRequirement):
        read_wanted(text, tmp_path)


def test_a_git_revision_becomes_a_commit_and_the_same_bytes_every_time(tmp_path: Path) -> None:
    repository = write_pack(tmp_path / "repository", "mine", "0.1", ["Mine"])
    git("init", "-q", at=repository)
    git("add", ".", at=repository)
    git("commit", "-qm", "one", at=repository)
    git("tag", "v1", at=repository)
    commit = git("rev-parse", "HEAD", at=repository)
    write_pack(repository, "mine", "0.2", ["Mine"])
    git("commit", "-qam", "two", at=repository)
    source = read_wanted(f"git+{repository.as_uri()}@v1", tmp_path)
    assert isinstance(source, DirectSource)
    one, two = prepare(source, tmp_path), prepare(source, tmp_path)
    assert one.candidate.release.version == "0.1"
    assert one.candidate.source.endswith(f"@{commit}")
    assert one.candidate.release.sha256 == two.candidate.release.sha256
    release = one.candidate.release
    locked = LockedPack(id="mine", version="0.1", sha256=release.sha256, source=one.candidate.source)
    assert prepare_again(locked, tmp_path).candidate == one.candidate
    git("checkout", "-qb", "newer", at=repository)
    write_pack(repository, "mine", "0.3", ["Mine"])
    git("commit", "-qam", "three", at=repository)
    git("checkout", "-q", "-", at=repository)
    branch = prepare(DirectSource("git", repository.as_uri(), "newer"), tmp_path)
    assert branch.candidate.release.version == "0.3"


@pytest.mark.parametrize("revision", ["nowhere", "--orphan", "HEAD:pyproject.toml"])
def test_a_git_revision_that_is_none_is_named(tmp_path: Path, revision: str) -> None:
    repository = write_pack(tmp_path / "repository", "mine", "0.1", ["Mine"])
    git("init", "-q", at=repository)
    git("add", ".", at=repository)
    git("commit", "-qm", "one", at=repository)
    with pytest.raises(NotThere, match=f"repository has no commit, tag or branch '{revision}'"):
        prepare(DirectSource("git", repository.as_uri(), revision), tmp_path)


def test_a_git_address_that_is_none_is_named_with_what_git_said(tmp_path: Path) -> None:
    with pytest.raises(InstallFailed, match=r"nothing can't be fetched, git clone failed: .*does not (appear|exist)"):
        prepare(DirectSource("git", (tmp_path / "nothing").as_uri()), tmp_path)


def test_nodes_and_scripts_of_a_source_are_known_before_it_is_installed(tmp_path: Path) -> None:
    folder = write_pack(
        tmp_path / "mine", "mine", "0.1", ["Mine"], **{"install.py": "", "requirements.txt": "a>=1 # x\n-r b\n"}
    )
    release = prepare(DirectSource("folder", str(folder)), tmp_path).candidate.release
    assert [claim.id for claim in release.nodes] == ["Mine"]
    assert release.install_script
    assert release.dependencies == ("a>=1",)


def test_an_archive_is_checked_before_anything_else(tmp_path: Path) -> None:
    path = tmp_path / "p.zip"
    path.write_bytes(zip_bytes({**pack_files("p", "1"), "../evil": ""}))
    with pytest.raises(ArchiveError):
        prepare(DirectSource("archive", str(path)), tmp_path)
    path.write_bytes(zip_bytes({"readme": ""}))
    with pytest.raises(ManifestError):
        prepare(DirectSource("archive", str(path)), tmp_path)


def test_a_lock_with_a_source_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotThere):
        prepare_again(LockedPack(id="a", version="1", sha256="0", source="acme"), tmp_path)


def test_settings_come_from_the_base_folder_or_else_the_users_and_flags_win(tmp_path: Path) -> None:
    text = 'offline = true\nkeep_generations = 2\n[[registry]]\nname = "ours"\nurl = "https://r.example/"\n'
    (tmp_path / "user").mkdir()
    (tmp_path / "user" / FILE_NAME).write_text(text)
    found = load_settings(tmp_path, tmp_path, tmp_path / "user")
    assert found.registries == (RegistrySettings("ours", "https://r.example"),)
    assert (found.offline, found.keep_generations) == (True, 2)
    (tmp_path / FILE_NAME).write_text("offline = false\nfind_links = ['/w']\n")
    found = load_settings(
        tmp_path, tmp_path, tmp_path / "user", registries=["x=https://y", str(tmp_path)], offline=True
    )
    assert found.registries == (RegistrySettings("x", "https://y"), RegistrySettings(str(tmp_path), tmp_path.as_uri()))
    assert (found.offline, found.find_links) == (True, ("/w",))


@pytest.mark.parametrize("text", ["x = [", "colour = 1", "offline = 'yes'", "[[registry]]\nname = 'a'"])
def test_settings_that_can_not_be_used_are_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_text(text)
    with pytest.raises(BadSettings, match=FILE_NAME):
        load_settings(tmp_path, tmp_path, tmp_path)

from __future__ import annotations

import hashlib
import json
import os
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from host.models.errors import ModelFileError, ModelNotFound
from host.models.files.hashes import HashCache
from host.models.library import FileIdentity, Library, is_model_name
from sdk.errors import NodeError


def touch(path: Path, content: bytes = b"x") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def test_names_are_relative_sorted_unique_and_of_models_only(tmp_path: Path) -> None:
    for name in ("b.safetensors", "sub/deep/a.CKPT", "sub/c.pt", "notes.txt", ".hidden/d.pt", ".e.pt"):
        touch(tmp_path / "one/checkpoints" / name)
    touch(tmp_path / "two/checkpoints/b.safetensors")
    library = Library([tmp_path / "one", tmp_path / "two", tmp_path / "missing"])
    assert library.names("checkpoints") == ("b.safetensors", "sub/c.pt", "sub/deep/a.CKPT")


def test_the_first_root_wins_and_extra_folders_come_last(tmp_path: Path) -> None:
    extra = touch(tmp_path / "extra/a.pt").parent
    second = touch(tmp_path / "two/loras/a.pt")
    library = Library([tmp_path / "one", tmp_path / "two"], {"loras": [extra], "mine": [extra]})
    assert library.find("loras", "a.pt") == second
    assert library.find("mine", "a.pt") == extra / "a.pt"
    assert "mine" in library.kinds


def test_older_names_of_kinds_and_folders_are_known(tmp_path: Path) -> None:
    touch(tmp_path / "unet/a.safetensors")
    touch(tmp_path / "diffusion_models/b.safetensors")
    library = Library([tmp_path], {"clip": [tmp_path / "more"]})
    assert library.names("unet") == library.names("diffusion_models") == ("a.safetensors", "b.safetensors")
    assert library.folders("text_encoders")[-1] == tmp_path / "more"


def test_linked_folders_are_followed_once_and_loops_end(tmp_path: Path) -> None:
    elsewhere = touch(tmp_path / "elsewhere/a.pt").parent
    folder = tmp_path / "root/vae"
    folder.mkdir(parents=True)
    (folder / "linked").symlink_to(elsewhere)
    (elsewhere / "loop").symlink_to(folder)
    (folder / "broken.pt").symlink_to(tmp_path / "nowhere")
    library = Library([tmp_path / "root"])
    assert library.names("vae") == ("linked/a.pt",)
    assert library.find("vae", "linked/a.pt").read_bytes() == b"x"


def test_a_backslash_separates_folders_too(tmp_path: Path) -> None:
    path = touch(tmp_path / "loras/sub/a.pt")
    assert Library([tmp_path]).find("loras", "sub\\a.pt") == path


@pytest.mark.parametrize(
    "name",
    [
        *("../secret.pt", "sub/../../secret.pt", "..\\secret.pt", "", ".", "a\0.pt", "notes.txt", "sub", "no.pt"),
        *(f"{'x' * 300}.pt", "\ud800.pt"),
    ],
)
def test_names_outside_the_folder_or_of_no_model_are_not_found(name: str, tmp_path: Path) -> None:
    for file in ("secret.pt", "loras/a.pt", "loras/notes.txt", "loras/sub/b.pt"):
        touch(tmp_path / file)
    with pytest.raises(ModelNotFound) as caught:
        Library([tmp_path]).find("loras", name)
    assert caught.value.available == ("a.pt", "sub/b.pt")
    assert isinstance(caught.value, NodeError)


def test_an_absolute_name_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFound):
        Library([tmp_path]).find("loras", str(touch(tmp_path / "loras/a.pt")))


def test_a_missing_name_is_told_what_is_close(tmp_path: Path) -> None:
    touch(tmp_path / "loras/anime_style.safetensors")
    with pytest.raises(ModelNotFound, match=r"Close to it: anime_style\.safetensors"):
        Library([tmp_path]).find("loras", "anime_stile.safetensors")
    with pytest.raises(ModelNotFound, match="nor any other"):
        Library([tmp_path]).find("vae", "a.pt")


def test_an_unknown_kind_is_told_the_kinds_there_are(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFound, match="checkpoints"):
        Library([tmp_path]).names("checkpoint")


def test_a_file_keeps_its_identity_until_it_is_written_to_or_replaced(tmp_path: Path) -> None:
    path = touch(tmp_path / "a.pt")
    link = tmp_path / "link.pt"
    link.symlink_to(path)
    before = FileIdentity.of(path)
    assert FileIdentity.of(link) == before
    os.utime(path, ns=(1, before.mtime_ns + 1))
    written = FileIdentity.of(path)
    touch(tmp_path / "b.pt")
    os.utime(tmp_path / "b.pt", ns=(1, written.mtime_ns))
    os.replace(tmp_path / "b.pt", path)
    assert len({before.key, written.key, FileIdentity.of(path).key}) == 3


def test_all_names_of_a_file_share_a_key_that_another_file_does_not_have(tmp_path: Path) -> None:
    path, other, copy = (tmp_path / name for name in ("a.pt", "b.pt", "copy.pt"))
    touch(path)
    os.link(path, other)
    shutil.copy2(path, copy)
    library = Library([])
    assert library.shared_key(path) == library.shared_key(other) != library.shared_key(copy)
    assert len({library.content_key(each) for each in (path, other, copy)}) == 3


def test_a_file_without_a_number_of_its_own_is_known_by_its_place(tmp_path: Path) -> None:
    one, other = (FileIdentity(tmp_path / name, 1, 2, 3, inode=0) for name in "ab")
    assert one.shared_key == one.key != other.shared_key


def test_a_link_that_leads_to_itself_or_nowhere_is_no_model(tmp_path: Path) -> None:
    folder = touch(tmp_path / "checkpoints/a.pt").parent
    (folder / "loop.pt").symlink_to("loop.pt")
    (folder / "nowhere.pt").symlink_to("missing.pt")
    library = Library([tmp_path])
    assert library.names("checkpoints") == ("a.pt",)
    with pytest.raises(ModelNotFound):
        library.find("checkpoints", "loop.pt")


@pytest.mark.parametrize("name", ["m.safetensors.index.json", "m.safetensors.index.fp16.json"])
def test_a_sharded_models_content_key_changes_with_any_shard(name: str, tmp_path: Path) -> None:
    save_file({"a": torch.ones(2)}, tmp_path / "m-1.safetensors")
    index = tmp_path / name
    assert is_model_name(name)
    index.write_text(json.dumps({"weight_map": {"a": "m-1.safetensors"}}))
    library = Library([])
    before = library.content_key(index)
    assert library.content_key(index) == before
    save_file({"a": torch.zeros(3)}, tmp_path / "m-1.safetensors")
    assert library.content_key(index) != before


def test_a_sum_is_computed_once_as_long_as_the_file_stays(tmp_path: Path) -> None:
    path, cache = touch(tmp_path / "a.pt", b"content"), tmp_path / "deep/hashes.json"
    expected = hashlib.sha256(b"content").hexdigest()
    assert Library([], hashes=HashCache(cache)).sha256(path) == expected
    remembered = HashCache(cache)
    assert remembered.get(FileIdentity.of(path).key) == expected
    remembered.put(FileIdentity.of(path).key, "0" * 64)
    assert Library([], hashes=HashCache(cache)).sha256(path) == "0" * 64
    touch(path, b"longer content")
    assert Library([], hashes=HashCache(cache)).sha256(path) == hashlib.sha256(b"longer content").hexdigest()


@pytest.mark.parametrize("content", ["", "[]", '{"a": 1, "b": "short"}', "{" * 10])
def test_a_damaged_cache_of_sums_counts_as_empty(content: str, tmp_path: Path) -> None:
    path = tmp_path / "hashes.json"
    path.write_text(content)
    cache = HashCache(path)
    assert cache.get("a") is None
    cache.put("b", "1" * 64)
    assert json.loads(path.read_text()) == {"b": "1" * 64}
    assert [file.name for file in tmp_path.iterdir()] == ["hashes.json"]


def test_what_is_no_file_has_no_sum(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="is a folder"):
        Library([]).sha256(tmp_path)

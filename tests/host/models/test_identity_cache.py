from __future__ import annotations

from pathlib import Path

import pytest

from host.models.errors import UnknownModel
from host.models.identity_cache import IdentityCache, version_of
from host.models.library import Library
from host.models.opening import ModelFiles
from sdk.models import Header, Identity, Refusal
from tests.host.models.doubles import write_net

KNOWN = Identity(family="f", kind="denoiser", config={"widths": [1, 2]}, because="it is")


class Counting:
    """A family that counts how often it is asked."""

    name = "f"

    def __init__(self, answer: Identity | Refusal) -> None:
        self.answer, self.asked = answer, 0

    def identify(self, header: Header) -> Identity | Refusal:
        self.asked += 1
        return self.answer

    def parts(self, header: Header, identity: Identity) -> list[object]:
        return []


def files(folder: Path, family: Counting, version: str = "1") -> ModelFiles:
    return ModelFiles(Library([]), [family], identities=IdentityCache(folder / "cache" / "known.sqlite", version))


@pytest.fixture
def model(tmp_path: Path) -> Path:
    write_net(tmp_path / "m.safetensors")
    return tmp_path / "m.safetensors"


def test_a_later_process_knows_a_file_without_asking_anyone(tmp_path: Path, model: Path) -> None:
    family = Counting(KNOWN)
    assert files(tmp_path, family).identify(model) == files(tmp_path, family).identify(model) == KNOWN
    assert family.asked == 1


def test_that_nobody_knows_a_file_is_remembered_with_the_reasons(tmp_path: Path, model: Path) -> None:
    family = Counting(Refusal("no such keys"))
    for _ in range(2):
        with pytest.raises(UnknownModel, match=r"holds \d+ tensors, such as .* \(f: no such keys\)"):
            files(tmp_path, family).identify(model)
    assert family.asked == 1


def test_a_file_that_was_written_to_is_asked_about_again(tmp_path: Path, model: Path) -> None:
    family = Counting(KNOWN)
    files(tmp_path, family).identify(model)
    content = model.read_bytes()
    model.unlink()
    model.write_bytes(content)
    files(tmp_path, family).identify(model)
    assert family.asked == 2


def test_answers_of_another_version_are_forgotten(tmp_path: Path, model: Path) -> None:
    family = Counting(KNOWN)
    files(tmp_path, family, "1").identify(model)
    files(tmp_path, family, "2").identify(model)
    assert family.asked == 2


@pytest.mark.parametrize("content", [b"no database" * 1000, b""])
def test_a_damaged_database_counts_as_empty(content: bytes, tmp_path: Path, model: Path) -> None:
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "known.sqlite").write_bytes(content)
    assert files(tmp_path, Counting(KNOWN)).identify(model) == KNOWN


def test_what_json_would_change_stays_in_the_process(tmp_path: Path) -> None:
    answer = Identity(family="f", kind="k", config={"pair": (1, 2)}, because="")
    cache = IdentityCache(tmp_path / "known.sqlite")
    cache.put("content", answer)
    assert cache.get("content") is answer
    assert IdentityCache(tmp_path / "known.sqlite").get("content") is None


def test_the_version_tells_families_apart() -> None:
    assert version_of([]) != version_of([Counting(KNOWN)]) == version_of([Counting(KNOWN)])

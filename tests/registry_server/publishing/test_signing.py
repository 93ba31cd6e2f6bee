"""The secret that signs upload addresses is kept whole, and from others."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from registry_server.errors import Damaged
from registry_server.publishing.signing import keep_secret, read_secret


def test_a_secret_is_made_once_and_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "made" / "secret"
    made = read_secret(path)
    assert (len(made), read_secret(path), stat.S_IMODE(path.stat().st_mode)) == (32, made, 0o600)
    assert list(path.parent.iterdir()) == [path]


def test_a_secret_that_is_there_stays(tmp_path: Path) -> None:
    made = read_secret(tmp_path / "secret")
    keep_secret(tmp_path / "secret", b"ab" * 32)
    assert read_secret(tmp_path / "secret") == made


@pytest.mark.parametrize("content", [b"", b"abcd", b"no number", b"\xff" * 64], ids=["empty", "short", "text", "bytes"])
def test_what_is_no_secret_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "secret").write_bytes(content)
    with pytest.raises(Damaged, match="holds no secret"):
        read_secret(tmp_path / "secret")

"""Which outputs may be linked to which inputs."""

from __future__ import annotations

import pytest

from sdk.sockets import BUILT_IN_SOCKETS, Socket, fits


@pytest.mark.parametrize(
    ("offered", "wanted", "expected"),
    [
        ("IMAGE", "IMAGE", True),
        ("IMAGE", "MASK", False),
        ("IMAGE", "*", True),
        ("*", "MASK", True),
        ("INT", "INT,FLOAT", True),
        ("INT, STRING", "STRING,FLOAT", True),
        ("STRING", "INT,FLOAT", False),
        ("INT", "INTEGER", False),
    ],
)
def test_types_fit_when_equal_wild_or_overlapping(offered: str, wanted: str, expected: bool) -> None:
    assert fits(offered, wanted) is expected


def test_every_built_in_socket_has_a_description_and_a_name_of_its_own() -> None:
    assert all(socket.description for socket in BUILT_IN_SOCKETS)
    assert len({socket.name for socket in BUILT_IN_SOCKETS}) == len(BUILT_IN_SOCKETS)


@pytest.mark.parametrize("name", ["", " IMAGE", "IMAGE\n"])
def test_a_socket_needs_a_clean_name(name: str) -> None:
    with pytest.raises(ValueError, match="needs a name"):
        Socket(name)

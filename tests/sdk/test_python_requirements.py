from __future__ import annotations

import pytest

from sdk.python_requirements import parse_requirement

DIGITS = "9" * 5000


@pytest.mark.parametrize(
    "text", ["a", "a>=1,<2", "a[x]; python_version < '3'", "a @ https://example.com/a.whl", "a; extra == 'x'", "a===x"]
)
def test_these_are_requirements(text: str) -> None:
    assert parse_requirement(text).name == "a"


@pytest.mark.parametrize(
    "text", ["", "a b", "a>", f"a>={DIGITS}", f"a; python_version > '3.{DIGITS}'", "a; os_name ~= 'x'"]
)
def test_these_are_none_whose_versions_and_markers_can_be_read(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_requirement(text)

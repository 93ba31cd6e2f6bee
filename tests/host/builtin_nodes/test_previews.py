from __future__ import annotations

from typing import Any

import pytest

from host.builtin_nodes.previews import preview_any, shown


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("ä\nb", "ä\nb"),
        (True, "True"),
        (2.5, "2.5"),
        (None, "None"),
        ([1, "ä"], '[1, "\\u00e4"]'),
        ({"k": [1, None, True]}, '{"k": [1, null, true]}'),
        ((1, 2), "[1, 2]"),
        ({1}, "{1}"),
    ],
)
def test_values_are_shown_as_text_or_as_json_on_one_line(value: Any, text: str) -> None:
    assert shown(value) == text
    assert preview_any(value).ui == {"text": (text,)}


def test_a_value_that_holds_itself_is_shown_all_the_same() -> None:
    circle: list[Any] = [1]
    circle.append(circle)
    assert shown(circle) == "[1, [...]]"

from __future__ import annotations

import logging
from io import BytesIO

import pytest
from PIL import Image

from host.builtin_nodes.images.metadata import exif, png_text

TINY = Image.new("RGB", (2, 2))


def written(prompt: object, extra: dict[str, object] | None) -> dict[str, str]:
    file = BytesIO()
    TINY.save(file, "PNG", pnginfo=png_text(prompt, extra))
    with Image.open(file) as picture:
        return dict(picture.text)  # type: ignore[attr-defined]


def test_prompt_and_every_extra_entry_become_texts() -> None:
    assert written({"1": {}}, {"workflow": {"a": "ä"}, "note": [1]}) == {
        "prompt": '{"1": {}}',
        "workflow": '{"a": "\\u00e4"}',
        "note": "[1]",
    }


def test_without_anything_to_say_nothing_is_written() -> None:
    assert written(None, None) == {}


def test_the_prompt_that_ran_wins_over_an_extra_entry_of_that_name() -> None:
    assert written({"ran": 1}, {"prompt": "other"}) == {"prompt": '{"ran": 1}'}


@pytest.mark.parametrize("key", ["", "x" * 80, "日本", "a\0b"])
def test_a_key_that_png_can_not_hold_is_left_out_with_a_warning(key: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert written({}, {key: 1, "ok": 2}) == {"prompt": "{}", "ok": "2"}
    assert "not saved" in caplog.text


def test_exif_counts_downwards_for_further_entries() -> None:
    tags = exif({"1": {}}, {"workflow": {}, "note": 1})
    assert dict(tags) == {0x0110: 'prompt:{"1": {}}', 0x010F: "workflow:{}", 0x010E: "note:1"}

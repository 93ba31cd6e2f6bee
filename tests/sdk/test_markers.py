"""What markers say to front ends, and what they refuse."""

from __future__ import annotations

from typing import Annotated

import pytest

from sdk import Choice, ForceInput, Lazy, Multiline, Options, Range, RawLink, Seed, Tooltip, node
from sdk.markers import OptionMarker


@pytest.mark.parametrize(
    ("marker", "options"),
    [
        (Range(0, 1), {"min": 0, "max": 1}),
        (Range(0, 1, 0.1, 0.01), {"min": 0, "max": 1, "step": 0.1, "round": 0.01}),
        (Multiline(), {"multiline": True}),
        (Multiline(dynamic=True), {"multiline": True, "dynamicPrompts": True}),
        (Tooltip("Say."), {"tooltip": "Say."}),
        (Seed(), {"min": 0, "max": 18446744073709551615, "control_after_generate": True}),
        (ForceInput(), {"forceInput": True}),
        (Lazy(), {"lazy": True}),
        (RawLink(), {"rawLink": True}),
        (Options({"image_upload": True}), {"image_upload": True}),
    ],
    ids=lambda value: type(value).__name__,
)
def test_each_marker_gives_the_options_that_front_ends_know(marker: OptionMarker, options: dict[str, object]) -> None:
    assert isinstance(marker, OptionMarker)
    assert marker.options() == options


def test_ranges_without_room_and_steps_without_size_are_refused() -> None:
    assert Range(2, 2).minimum == 2
    with pytest.raises(ValueError, match="the minimum is above the maximum"):
        Range(2, 1)
    for step in (0, -0.5):
        with pytest.raises(ValueError, match="a step must be positive"):
            Range(0, 1, step)


def test_a_choice_has_values_or_a_source_and_not_both() -> None:
    for wrong in ({}, {"values": ("a",), "source": "input"}):
        with pytest.raises(ValueError, match="either values or a source"):
            Choice(**wrong)


def test_a_tooltip_marker_wins_over_the_docstring() -> None:
    @node
    def show(value: Annotated[int, Tooltip("From the marker.")]) -> int:
        """Show.

        Args:
            value: From the docstring.
        """
        return value

    assert show.input("value").option("tooltip") == "From the marker."

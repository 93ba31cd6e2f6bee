from __future__ import annotations

import logging
from pathlib import Path

import pytest

from host.builtin_nodes.conditioning.hook_keyframes import (
    HookKeyframe,
    create_hook_keyframe,
    create_hook_keyframes_interpolated,
    interpolated,
)
from tests.support.node_context import context_in


@pytest.mark.parametrize(
    ("easing", "middle"), [("linear", 0.25), ("ease_in", 0.0625), ("ease_out", 0.4375), ("ease_in_out", 0.14645)]
)
def test_values_rise_as_the_easing_says(easing: str, middle: float) -> None:
    values = interpolated(0.0, 1.0, 5, easing)
    assert (values[0], values[-1]) == (0.0, pytest.approx(1.0))
    assert values[1] == pytest.approx(middle, abs=1e-4)
    assert values == sorted(values)


def test_keyframes_are_in_the_order_of_the_run() -> None:
    late = create_hook_keyframe(0.5, 0.8)
    both = create_hook_keyframe(2.0, 0.1, late)
    assert list(both) == [HookKeyframe(0.1, 2.0), HookKeyframe(0.8, 0.5)]
    assert list(late) == [HookKeyframe(0.8, 0.5)]


def test_only_the_first_of_a_series_is_sure_of_a_step(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        frames = create_hook_keyframes_interpolated(
            context_in(tmp_path), 0.0, 1.0, interpolation="linear", keyframes_count=3, print_keyframes=True
        )
    assert [(frame.start_percent, frame.strength, frame.steps) for frame in frames] == [
        (0.0, 0.0, 1),
        (0.5, 0.5, 0),
        (1.0, 1.0, 0),
    ]
    assert len(caplog.records) == 3

"""What is drawn while a run goes on."""

from __future__ import annotations

import io

from rich.console import Console

from host.cli.progress import ProgressBars, titles_of
from host.engine.events import NodeFinished, NodeProgress, NodeRef, NodeStarted, NodeText


def ref(node_id: str) -> NodeRef:
    return NodeRef(node_id, node_id, None, node_id)


def drawn(*events: object, terminal: bool = True) -> str:
    """The screen after these events, without colours."""
    file = io.StringIO()
    console = Console(file=file, width=80, force_terminal=terminal, color_system=None, legacy_windows=False)
    with ProgressBars(console, {"1": "Sampler [fast]", "2": "A title " * 10}) as bars:
        for event in events:
            bars.emit(event)  # type: ignore[arg-type]
    return file.getvalue()


def test_a_bar_has_title_and_steps_and_is_full_at_the_end_though_steps_were_left_out() -> None:
    screen = drawn(
        NodeStarted("j", ref("1")), NodeProgress("j", ref("1"), 3, 20), NodeFinished("j", ref("1"), cached=False)
    )
    last = screen.splitlines()[-2]
    assert "Sampler [fast]" in last
    assert "20/20" in last


def test_nodes_without_steps_leave_no_line() -> None:
    screen = drawn(NodeStarted("j", ref("1")), NodeFinished("j", ref("1"), cached=False))
    assert "Sampler" not in screen.rpartition("\r")[2]


def test_long_titles_leave_room_for_the_bar() -> None:
    screen = drawn(NodeStarted("j", ref("2")), NodeProgress("j", ref("2"), 5, 10))
    line = next(line for line in reversed(screen.splitlines()) if "A title" in line)
    assert "5/10" in line


def test_where_there_is_no_terminal_nothing_is_drawn_but_texts_are_printed() -> None:
    events = NodeStarted("j", ref("1")), NodeProgress("j", ref("1"), 5, 10), NodeText("j", ref("1"), "half [way]")
    assert drawn(*events, terminal=False).strip() == "Sampler [fast]: half [way]"


def test_a_node_is_called_by_its_title_or_its_class() -> None:
    prompt = {
        "1": {"class_type": "KSampler", "_meta": {"title": "Second pass"}},
        "2": {"class_type": "VAEDecode", "_meta": None},
        "3": "no node",
    }
    assert titles_of(prompt) == {"1": "Second pass", "2": "VAEDecode"}

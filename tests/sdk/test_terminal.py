from __future__ import annotations

import json
import logging
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdk import terminal

RED = "\x1b[31mred\x1b[0m"
SHOWN = "\\x1b[31mred\\x1b[0m"


@pytest.fixture
def _logging() -> Iterator[None]:
    root = logging.getLogger()
    before = root.level, list(root.handlers)
    yield
    logging.captureWarnings(False)
    root.setLevel(before[0])
    root.handlers[:] = before[1]


@given(st.text())
def test_no_text_holds_a_command_to_the_terminal_any_more(text: str) -> None:
    shown = terminal.escaped(text)
    assert not any((letter < " " and letter not in "\n\t") or "\x7f" <= letter <= "\x9f" for letter in shown)
    assert terminal.escaped(shown) == shown


@pytest.mark.parametrize("text", ["plain", "two\nlines\tand a tab", "名前 ü 🎨", "a\u200db"])
def test_what_a_terminal_only_shows_stays_as_it_is(text: str) -> None:
    assert terminal.escaped(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [("\x9b2J", "\\x9b2J"), ("a\rb", "a\\rb"), ("\x00\x07\x7f", "\\x00\\x07\\x7f"), ("gnp\u202etxt", "gnp\\u202etxt")],
)
def test_control_characters_and_those_that_turn_the_reading_direction_are_spelled_out(text: str, shown: str) -> None:
    assert terminal.escaped(text) == shown


def test_half_of_a_character_is_spelled_out_as_it_can_not_be_printed(capsys: pytest.CaptureFixture[str]) -> None:
    terminal.say(terminal.stdout(), "a\ud800b")
    terminal.print_table(terminal.stdout(), ("name",), [("\udfff",)])
    assert capsys.readouterr().out.split() == ["a\\ud800b", "name", "\\udfff"]


def test_json_is_the_same_value_and_safe_on_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    value = {"text": "\x1b[31m \x9b2J \x7f \u202egnp \ud800 ü 🎨", "lines": "a\n\tb"}
    terminal.print_json(value)
    out = capsys.readouterr().out
    assert json.loads(out) == value
    assert "\\u009b2J \\u007f \\u202egnp \\ud800 ü 🎨" in out
    assert terminal.escaped(out) == out
    terminal.print_json([1], indent=None)
    assert capsys.readouterr().out == "[1]\n"


@pytest.mark.usefixtures("_logging")
def test_whatever_is_said_printed_or_logged_is_safe(capsys: pytest.CaptureFixture[str]) -> None:
    terminal.start_logging("warning")
    terminal.say(terminal.stdout(), RED)
    terminal.print_table(terminal.stdout(), ("name",), [(RED,)])
    terminal.stdout().print(terminal.folding_table(("name", "x"), [(RED, "x")]))
    terminal.say_error(RED)
    logging.getLogger("stranger").warning("%s", RED)
    out, err = capsys.readouterr()
    assert (out.count(SHOWN), err.count(SHOWN)) == (3, 2)
    assert "\x1b" not in out + err


def test_a_line_for_another_program_is_exactly_what_was_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    terminal.print_line(RED)
    assert capsys.readouterr().out == f"{RED}\n"


def test_a_line_on_a_terminal_is_safe(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    terminal.print_line(RED)
    assert capsys.readouterr().out == f"{SHOWN}\n"

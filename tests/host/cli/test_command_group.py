"""Commands that other parts bring by entry point."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from host.cli import main


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """Install a distribution of one module ``stranger`` that brings one command."""

    def install(entry: str, code: str) -> None:
        metadata = tmp_path / "stranger-1.0.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: stranger\nVersion: 1.0\n")
        (metadata / "entry_points.txt").write_text(f"[comfy_nodes.commands]\n{entry}\n")
        (tmp_path / f"{entry.split()[2].split(':')[0]}.py").write_text(code)
        monkeypatch.syspath_prepend(str(tmp_path))

    return install


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr("sys.argv", ["comfy-nodes", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


def test_a_command_of_another_distribution_runs_and_is_listed(
    installed: Callable[[str, str], None], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code = 'def wave(times: int = 1) -> None:\n    """Wave."""\n    print("wave " * times)\n'
    installed("wave = stranger_wave:wave", code)
    assert run(monkeypatch, "wave", "--times", "2") == 0
    assert capsys.readouterr().out == "wave wave \n"
    assert run(monkeypatch, "--help") == 0
    assert "Wave." in capsys.readouterr().out


def test_a_command_that_lacks_a_library_names_it_and_the_remedy(
    installed: Callable[[str, str], None], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    installed("broken = stranger_broken:go", "import there_is_no_such_library\n")
    assert run(monkeypatch, "broken") == 2
    said = " ".join(capsys.readouterr().err.split())
    assert "there_is_no_such_library" in said
    assert "pip install" in said


def test_the_hosts_own_command_keeps_its_name(
    installed: Callable[[str, str], None], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    installed("nodes = stranger_nodes:nodes", 'def nodes() -> None:\n    """Stolen."""\n    print("stolen")\n')
    assert run(monkeypatch, "nodes", "--help") == 0
    assert "Stolen" not in capsys.readouterr().out


def test_an_unknown_command_is_answered_with_those_like_it(
    installed: Callable[[str, str], None], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    installed("wobble = stranger_wobble:wobble", "raise AssertionError('nothing is imported for it')\n")
    assert run(monkeypatch, "wobbel") == 2
    assert "No such command 'wobbel'. Did you mean 'wobble'?" in capsys.readouterr().err
    assert run(monkeypatch, "modles") == 2
    assert "Did you mean 'models'" in capsys.readouterr().err
    assert run(monkeypatch, "xyzzy") == 2
    assert "Did you mean" not in capsys.readouterr().err

"""Settings come from file, environment and flags, in that order, and wrong ones are refused together."""

from __future__ import annotations

from pathlib import Path

import pytest

from host.errors import SettingsError
from host.quantities import format_bytes, parse_bytes
from host.settings import load_settings


def test_later_layers_win(tmp_path: Path) -> None:
    (tmp_path / "comfy-nodes.toml").write_text('cache = "lru:5"\ndevice = "cuda:1"\nvram = "6GiB"\n')
    settings = load_settings({"device": "cpu"}, {"COMFY_NODES_CACHE": "none"}, tmp_path)
    assert (settings.base_dir, settings.cache, settings.device, settings.vram) == (tmp_path, "none", "cpu", 6 * 2**30)


def test_folders_lie_below_the_base_unless_they_are_set(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    settings = load_settings({"output_dir": "/elsewhere"}, {}, tmp_path)
    assert settings.models_dir == tmp_path / "models"
    assert settings.output_dir == Path("/elsewhere")


def test_a_folder_without_models_is_not_taken_for_the_base(tmp_path: Path) -> None:
    assert load_settings({}, {}, tmp_path).base_dir != tmp_path


def test_every_wrong_setting_is_named_with_where_it_was_said(tmp_path: Path) -> None:
    (tmp_path / "comfy-nodes.toml").write_text('devise = "cpu"\n')
    with pytest.raises(SettingsError) as caught:
        load_settings({"vram": "lots"}, {"COMFY_NODES_DTYPE": "fp7"}, tmp_path)
    said = str(caught.value)
    assert len(caught.value.problems) == 3
    assert "comfy-nodes.toml: devise" in said
    assert "environment: dtype = 'fp7': expected one of auto, fp32" in said
    assert "flags: vram = 'lots'" in said


def test_packs_are_a_list_of_names(tmp_path: Path) -> None:
    assert load_settings({"packs": "a, b,"}, {}, tmp_path).packs == ("a", "b")
    assert load_settings({"packs": ""}, {}, tmp_path).packs == ()


SAFE_MODE_FIRST = ({"packs": "a"}, {"COMFY_NODES_SAFE_MODE": "1"}), ({"packs": "a", "safe_mode": True}, {})


@pytest.mark.parametrize(("flags", "environment"), SAFE_MODE_FIRST)
def test_packs_can_not_be_asked_for_where_safe_mode_leaves_them_out(
    tmp_path: Path, flags: dict[str, object], environment: dict[str, str]
) -> None:
    with pytest.raises(SettingsError, match=r"packs = 'a': safe_mode .* loads the built-ins alone"):
        load_settings(flags, environment, tmp_path)


def test_safe_mode_overrules_packs_that_an_earlier_layer_names(tmp_path: Path) -> None:
    settings = load_settings({"safe_mode": True}, {"COMFY_NODES_PACKS": "a"}, tmp_path)
    assert (settings.safe_mode, settings.packs) == (True, ("a",))


@pytest.mark.parametrize(
    ("text", "count"), [("6GiB", 6 * 2**30), ("1.5G", 3 * 2**29), ("500 MB", 500_000_000), (7, 7), ("12", 12)]
)
def test_amounts_of_memory_are_read(text: object, count: int) -> None:
    assert parse_bytes(text) == count


@pytest.mark.parametrize("text", ["", "-1", "0", "6 parsecs", True])
def test_nonsense_amounts_are_refused(text: object) -> None:
    with pytest.raises(ValueError, match="amount of memory"):
        parse_bytes(text)


def test_amounts_are_shown_in_binary_units() -> None:
    assert [format_bytes(n) for n in (12, 1536, 300 * 2**20, 2**41)] == ["12 B", "1.5 KiB", "300 MiB", "2.0 TiB"]


def test_packs_have_tables_of_their_own(tmp_path: Path) -> None:
    text = '[packs]\nonly = ["a"]\n[packs.a]\nurl = "http://x"\n[packs.a.retries]\nmost = 3\n'
    (tmp_path / "comfy-nodes.toml").write_text(text)
    settings = load_settings({}, {}, tmp_path)
    assert settings.packs == ("a",)
    assert settings.pack_settings == {"a": {"url": "http://x", "retries": {"most": 3}}}


def test_the_list_of_packs_may_still_stand_alone(tmp_path: Path) -> None:
    (tmp_path / "comfy-nodes.toml").write_text('packs = ["a", "b"]')
    settings = load_settings({}, {}, tmp_path)
    assert (settings.packs, settings.pack_settings) == (("a", "b"), {})


def test_a_setting_of_a_pack_outside_of_a_table_is_refused(tmp_path: Path) -> None:
    (tmp_path / "comfy-nodes.toml").write_text('[packs]\nurl = "http://x"\nonly = 3')
    with pytest.raises(SettingsError) as caught:
        load_settings({}, {}, tmp_path)
    assert len(caught.value.problems) == 2
    assert "packs.url: expected a table [packs.url]" in str(caught.value)


@pytest.mark.parametrize("name", ["COMFY_NODES_PACK_SETTINGS", "COMFY_NODES_PACKS_A", "COMFY_NODES_NONSENSE"])
def test_unknown_variables_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(SettingsError, match="there is no such setting"):
        load_settings({}, {name: "1"}, tmp_path)

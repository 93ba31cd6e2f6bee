"""Rules and notes, good and faulty."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch  # noqa: TID253 - the attention functions are tried out
from placement.attention import attention_function
from placement.errors import BadNote, BadRules
from placement.notes import identify_model
from placement.plugin import PlacementRules, from_environment
from placement.rules import read_rules

from sdk import Header, Identity
from sdk.testing import load_pack

PACK = Path(__file__).parents[1]
RULES = """
[[device]]
part = "text_encoder*"
use = "cpu"

[[device]]
part = "vae"
family = "sd*"
use = "cuda:1"

[[attention]]
kind = "check*"
use = ["flash", "math"]

[[attention]]
use = "operator:add"
"""


def identity(family: str = "sd1", kind: str = "checkpoint") -> Identity:
    return Identity(family=family, kind=kind, config={}, because="a test")


@pytest.fixture
def rules_file(tmp_path: Path) -> Path:
    path = tmp_path / "rules.toml"
    path.write_text(RULES)
    return path


@pytest.mark.parametrize(
    ("part", "family", "device"),
    [
        ("text_encoder", "sd1", "cpu"),
        ("text_encoder_2", "flux", "cpu"),
        ("vae", "sd1", "cuda:1"),
        ("vae", "flux", None),
        ("denoiser", "sd1", None),
    ],
)
def test_the_first_rule_that_matches_chooses_the_device(rules_file: Path, part, family, device) -> None:
    assert PlacementRules(read_rules(rules_file)).choose_device(part, identity(family)) == device


def test_attention_is_a_function_or_left_to_the_host(rules_file: Path) -> None:
    import operator

    plugin = PlacementRules(read_rules(rules_file))
    assert plugin.choose_attention("vae", identity(kind="vae")) is operator.add
    assert plugin.choose_attention("vae", identity()) is attention_function(("flash", "math"))
    assert from_environment({}).choose_attention("vae", identity()) is None


@pytest.mark.parametrize("use", [("math",), ("flash",), ("flash", "math"), ("efficient", "math")])
def test_each_backend_gives_what_torch_gives(use: tuple[str, ...]) -> None:
    generator = torch.Generator().manual_seed(7)
    query, key, value = (torch.randn(1, 2, 8, 16, generator=generator) for _ in range(3))
    wanted = torch.nn.functional.scaled_dot_product_attention(query, key, value, scale=0.5)
    torch.testing.assert_close(attention_function(use)(query, key, value, scale=0.5), wanted)


def test_backends_are_chosen_for_the_call_alone() -> None:
    before = torch.backends.cuda.flash_sdp_enabled(), torch.backends.cuda.mem_efficient_sdp_enabled()
    attention_function(("math",))(*(torch.ones(1, 1, 2, 8) for _ in range(3)))
    assert (torch.backends.cuda.flash_sdp_enabled(), torch.backends.cuda.mem_efficient_sdp_enabled()) == before


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[[device]]\npart = "vae"', "[[device]] number 1: it needs `use`"),
        ('[[device]]\nuse = "gpu"', "'gpu' is no device; write cpu, cuda or cuda:1"),
        ('[[device]]\nuse = ["cpu", "cuda"]', "['cpu', 'cuda'] is no device"),
        ('[[device]]\nuse = "cpu"\npart = 3', "part must be a text"),
        ('[[device]]\nuse = "cpu"\nparts = "x"', "the key 'parts' is unknown"),
        ('[device]\nuse = "cpu"', "`device` must be a list of tables: write [[device]]"),
        ('device = ["cpu"]', "[[device]] number 1: it is no table"),
        ('[[attention]]\nuse = "fast"', "'fast' is neither a list of math, flash, efficient, cudnn nor one function"),
        ('[[attention]]\nuse = ["math", "a:b"]', "['math', 'a:b'] is neither"),
        ("[[devices]]", "'devices' is neither `device` nor `attention`"),
        ("[[device", "Expected"),
    ],
)
def test_faulty_rules_are_refused_with_the_reason(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "rules.toml"
    path.write_text(text)
    with pytest.raises(BadRules) as caught:
        read_rules(path)
    assert said in str(caught.value)
    assert str(path) in str(caught.value)


def test_all_faults_of_a_file_are_said_at_once(tmp_path: Path) -> None:
    path = tmp_path / "rules.toml"
    path.write_text('[[device]]\nuse = "x"\n[[attention]]\nuse = "y"\n[[other]]')
    with pytest.raises(BadRules) as caught:
        read_rules(path)
    assert len(caught.value.problems) == 3


def test_rules_that_are_named_but_missing_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(BadRules, match="No such file"):
        from_environment({"PLACEMENT_RULES": str(tmp_path / "none.toml")})


def header(tmp_path: Path, note: str | bytes | None) -> Header:
    if note is not None:
        (tmp_path / "model.safetensors.comfy.toml").write_bytes(note if isinstance(note, bytes) else note.encode())
    return Header(tmp_path / "model.safetensors", {})


def test_a_note_settles_what_a_file_is(tmp_path: Path) -> None:
    said = identify_model(header(tmp_path, 'family = "sd1"\nkind = "vae"\n[config]\nchannels = [4, 8]'))
    assert said == Identity(
        family="sd1", kind="vae", config={"channels": [4, 8]}, because="model.safetensors.comfy.toml says so"
    )


def test_a_file_without_a_note_is_left_to_the_families(tmp_path: Path) -> None:
    assert identify_model(header(tmp_path, None)) is None


@pytest.mark.parametrize(
    ("note", "said"),
    [
        ('kind = "vae"', "it needs `family`"),
        ('family = "sd1"', "it needs `kind`"),
        ('family = "sd1"\nkind = 3', "`kind` must be a text"),
        ('family = "sd1"\nkind = "vae"\nconfig = "x"', "`config` must be a table"),
        ('family = "sd1"\nkind = "vae"\n[config]\nday = 2024-02-29', "config.day is no JSON value"),
        ('family = "sd1"\nkind = "vae"\ndtype = "x"', "the key 'dtype' is unknown"),
        ("family = ", "Invalid value"),
        (b"\xff\xfe", "utf-8"),
    ],
)
def test_a_faulty_note_is_an_error(tmp_path: Path, note: str | bytes, said: str) -> None:
    with pytest.raises(BadNote) as caught:
        identify_model(header(tmp_path, note))
    assert said in str(caught.value)


def test_the_pack_answers_through_its_hooks(tmp_path: Path, rules_file: Path, monkeypatch) -> None:
    monkeypatch.setenv("PLACEMENT_RULES", str(rules_file))
    with load_pack(PACK) as pack:
        assert pack.hooks == {"choose_device", "choose_attention", "identify_model"}
        assert pack.call("choose_device", part="vae", identity=identity()) == ["cuda:1"]
        assert pack.call("choose_device", part="denoiser", identity=identity()) == []
        assert pack.call("identify_model", header=header(tmp_path, None)) == []


def test_the_rules_in_the_readme_are_valid(tmp_path: Path) -> None:
    blocks = (PACK / "README.md").read_text(encoding="utf-8").split("```toml\n")
    path = tmp_path / "rules.toml"
    path.write_text(blocks[1].split("```")[0])
    read = read_rules(path)
    assert (len(read.device), len(read.attention)) == (2, 2)
    note = blocks[2].split("```")[0]
    assert identify_model(header(tmp_path, note)).config == {"prediction": "epsilon"}

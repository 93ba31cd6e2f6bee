"""The pack's nodes, run by the test kit alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch  # noqa: TID253 - the nodes are tried on images
from palette.colours import BadPalette
from palette.file_nodes import load_palette, palette_from_text, palette_to_text, save_palette
from palette.list_nodes import make_palette_of, merge_palettes, split_palette
from palette.nodes import PaletteSwitch, apply_palette, palette_from_image, palette_strip, show_palette

from sdk import Cancelled, NodeError
from sdk.testing import FakeContext, NodeUnderTest, check_node, load_pack, map_node, run_node

PACK = Path(__file__).parents[1]
RED, GREEN, BLUE, BLACK, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (0, 0, 0), (255, 255, 255)


def picture(*colours: tuple[int, int, int], height: int = 2) -> torch.Tensor:
    """[1, height, one column for each colour, 3]"""
    return (torch.tensor(colours).float() / 255).expand(1, height, -1, 3).contiguous()


def noise(count: int = 2) -> torch.Tensor:
    return torch.rand(count, 16, 16, 3, generator=torch.Generator().manual_seed(3))


@pytest.mark.parametrize("method", ["median cut", "k-means"])
def test_a_palette_holds_an_image_s_colours_most_frequent_first(method: str) -> None:
    image = picture(BLUE, RED, BLUE, GREEN, BLUE, GREEN)
    (palette,) = run_node(palette_from_image, image=image, colours=3, method=method).outputs
    assert palette == (BLUE, GREEN, RED)


def test_a_batch_gets_one_palette_of_the_size_asked_for() -> None:
    (palette,) = run_node(palette_from_image, image=noise(), colours=16).outputs
    assert 8 < len(palette) <= 16
    assert all(isinstance(part, int) for colour in palette for part in colour)


def test_large_images_are_sampled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("palette.pixels.SAMPLE_LIMIT", 3)
    (palette,) = run_node(palette_from_image, image=picture(*[RED, GREEN] * 3, height=1), colours=2).outputs
    assert palette == (RED,)


@pytest.mark.parametrize("colours", [1, 257])
def test_a_palette_s_size_has_bounds(colours: int) -> None:
    with pytest.raises(NodeError, match=r"outside 2\.\.256"):
        run_node(palette_from_image, image=noise(), colours=colours)


def test_each_pixel_gets_the_nearest_colour() -> None:
    image, palette = noise(), (RED, GREEN, BLACK, WHITE)
    (painted,) = run_node(apply_palette, image=image, palette=palette).outputs
    table = torch.tensor(palette).float() / 255
    distances = (image[..., None, :] - table).square().sum(dim=-1)
    assert torch.equal(painted, table[distances.argmin(dim=-1)])


@pytest.mark.parametrize("dither", [False, True])
def test_only_the_palette_s_colours_are_used_and_transparency_stays(dither: bool) -> None:
    image = torch.cat([noise(), noise()[..., :1]], dim=-1)
    (painted,) = run_node(apply_palette, image=image, palette=(RED, GREEN, WHITE), dither=dither).outputs
    used = {tuple(colour) for colour in (painted[..., :3] * 255).round().int().reshape(-1, 3).tolist()}
    assert used <= {RED, GREEN, WHITE}
    assert torch.equal(painted[..., 3:], image[..., 3:])


def test_dithering_keeps_the_mean_where_the_nearest_colour_does_not() -> None:
    grey = torch.full((1, 64, 64, 3), 0.25)
    plain, mixed = (
        run_node(apply_palette, image=grey, palette=(BLACK, WHITE), dither=dither).outputs[0]
        for dither in (False, True)
    )
    assert plain.mean() == 0
    assert abs(mixed.mean() - 0.25) < 0.01


def test_progress_is_reported_for_each_image() -> None:
    context = FakeContext()
    run_node(apply_palette, context, image=noise(3), palette=(BLACK,))
    assert context.progressed == [(1, 3), (2, 3), (3, 3)]


def test_a_cancelled_job_stops_after_the_image_it_is_at() -> None:
    context = FakeContext(cancel_after=2)
    with pytest.raises(Cancelled):
        run_node(apply_palette, context, image=noise(5), palette=(BLACK,))
    assert len(context.progressed) == 2


def test_a_palette_is_shown_as_squares() -> None:
    (image,) = run_node(show_palette, palette=(RED, BLUE), size=4).outputs
    assert image.shape == (1, 4, 8, 3)
    assert torch.equal(image, picture(*[RED] * 4, *[BLUE] * 4, height=4))


def test_the_retired_node_still_works_and_says_what_to_use() -> None:
    assert run_node(palette_strip, palette=(RED,)).outputs[0].shape == (1, 16, 16, 3)
    assert palette_strip.deprecated == "Use Show Palette, which has a size."


def test_a_workflow_of_the_renamed_node_is_brought_up_to_date() -> None:
    assert apply_palette.aliases == ("QuantizeToPalette",)
    assert apply_palette.migrate({"dithering": "none", "image": ["1", 0]}, "1.0.0") == {
        "image": ["1", 0],
        "dither": False,
    }
    assert apply_palette.migrate({"dithering": "floyd-steinberg"}, "1.0.0") == {"dither": True}
    assert apply_palette.migrate({"dither": True}, "1.1.0") == {"dither": True}


@pytest.mark.parametrize(("use_first", "name"), [(True, "first"), (False, "second")])
def test_the_switch_asks_for_one_palette_alone(use_first: bool, name: str) -> None:
    switch = NodeUnderTest(PaletteSwitch)
    assert switch.wanted(use_first=use_first) == {name}
    assert switch.wanted(use_first=use_first, **{name: (RED,)}) == set()
    assert switch.run(use_first=use_first, **{name: (RED,)}).outputs == ((RED,),)


def test_colours_come_one_by_one_and_go_together_again() -> None:
    (colours,) = run_node(split_palette, palette=(RED, BLUE)).outputs
    assert colours == ["#ff0000", "#0000ff"]
    assert run_node(make_palette_of, colours=colours).outputs == ((RED, BLUE),)
    with pytest.raises(BadPalette, match="'blue' is no colour"):
        run_node(make_palette_of, colours=["blue"])


def test_a_list_of_images_gives_a_list_of_palettes_that_can_be_merged() -> None:
    (palettes,) = map_node(palette_from_image, image=[picture(RED, BLUE), picture(RED, GREEN)], colours=[2])
    assert len(palettes) == 2
    (merged,) = run_node(merge_palettes, palettes=palettes).outputs
    assert set(merged) == {RED, GREEN, BLUE}
    assert map_node(split_palette, palette=palettes)[0].count("#ff0000") == 2


def test_text_is_checked_before_the_run() -> None:
    assert run_node(palette_from_text).outputs == ((BLACK, WHITE),)
    assert run_node(palette_to_text, palette=(RED,)).outputs == ('["#ff0000"]',)
    with pytest.raises(NodeError, match="refuses its inputs: 'pink' is no colour"):
        run_node(palette_from_text, text='["pink"]')


def test_palettes_are_saved_under_running_numbers_and_read_back(tmp_path: Path) -> None:
    context = FakeContext(root=tmp_path)
    first, second = (run_node(save_palette, context, palette=(colour,)) for colour in (RED, BLUE))
    assert first.ui["files"] == [{"filename": "palette_00001_.json", "subfolder": "palettes", "type": "output"}]
    assert json.loads((tmp_path / "output/palettes/palette_00002_.json").read_text()) == ["#0000ff"]
    assert second.ui["text"] == ['["#0000ff"]']
    name = "palettes/palette_00002_.json [output]"
    assert run_node(load_palette, context, file=name).outputs == ((BLUE,),)


@pytest.mark.parametrize(("content", "said"), [(b"[1]", "1 is no colour"), (b"\xff", "bad.json is no text")])
def test_a_file_that_holds_no_palette_is_refused(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "input").mkdir()
    (tmp_path / "input" / "bad.json").write_bytes(content)
    with pytest.raises(BadPalette, match=said):
        run_node(load_palette, FakeContext(root=tmp_path), file="bad.json")


def test_the_pack_is_complete_and_every_node_explains_itself() -> None:
    with load_pack(PACK) as pack:
        assert [socket.name for socket in pack.sockets] == ["PALETTE"]
        assert len(pack.nodes) == 12
        assert [fault for node in pack.nodes.values() for fault in check_node(node)] == []

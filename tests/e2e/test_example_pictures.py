"""What the pictures of the example workflows show, by their pixels."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

from host.app import Host, create_host
from host.settings import load_settings
from tools.tiny_model.measure import NAMES, name_pixels
from tools.tiny_model.train_word import TEAL

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
Pictures = list[Image.Image]


class Studio:
    """Runs an example with some inputs changed; pictures are those of the node ``9``."""

    def __init__(self, host: Host, output: Path) -> None:
        self._host, self._output = host, output

    def __call__(self, name: str, *changes: tuple[str, str, Any], node: str = "9") -> Pictures:
        prompt = json.loads((EXAMPLES / f"{name}.json").read_text(encoding="utf-8"))
        for node_id, key, value in changes:
            assert key in prompt[node_id]["inputs"]
            prompt[node_id]["inputs"][key] = value
        shown = self._host.run(prompt).outputs[node]["images"]
        return [Image.open(self._output / item["subfolder"] / item["filename"]).convert("RGB") for item in shown]


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Studio:
    output = tmp_path_factory.mktemp("pictures")
    flags = {"models_dir": ROOT / "models", "output_dir": output, "input_dir": EXAMPLES / "input", "safe_mode": True}
    return Studio(create_host(load_settings(flags, {}, output)), output)


def share(picture: Image.Image, colour: str, box: tuple[float, float, float, float] = (0, 0, 1, 1)) -> float:
    """How much of a part of the picture (left, top, right, bottom in 0..1) has a colour."""
    names = name_pixels(picture)
    height, width = names.shape
    left, top, right, bottom = box
    part = names[round(top * height) : round(bottom * height), round(left * width) : round(right * width)]
    return float((part == NAMES.index(colour)).mean())


def middle(picture: Image.Image) -> np.ndarray:
    """Mean colour of the middle fifth, RGB in 0..255."""
    pixels = np.asarray(picture, dtype=float)
    height, width = pixels.shape[:2]
    return pixels[height * 2 // 5 : height * 3 // 5, width * 2 // 5 : width * 3 // 5].mean((0, 1))


def redness(picture: Image.Image) -> float:
    """How much more red than blue the middle is, in 0..255."""
    red, _, blue = middle(picture)
    return float(red - blue)


LEFT, RIGHT, MIDDLE = (0.0, 0.0, 0.5, 1.0), (0.5, 0.0, 1.0, 1.0), (0.4, 0.4, 0.6, 0.6)


def test_image_to_image_repaints_the_object_and_keeps_its_place(studio: Studio) -> None:
    (picture,) = studio("image_to_image")
    assert share(picture, "red") > 0.08
    assert share(picture, "blue") < 0.01
    assert share(picture, "yellow") > 0.6


def test_the_denoise_of_image_to_image_says_how_freely_it_repaints(studio: Studio) -> None:
    reds = [redness(*studio("image_to_image", ("5", "denoise", denoise))) for denoise in (0.1, 0.2, 0.3, 0.75)]
    assert reds == sorted(reds)
    assert reds[0] < 0 < 100 < reds[-1]


def test_inpainting_paints_inside_the_mask_and_leaves_the_rest(studio: Studio) -> None:
    (picture,) = studio("inpainting")
    assert share(picture, "red", LEFT) > 0.1
    assert share(picture, "green") < 0.01
    before = np.asarray(Image.open(EXAMPLES / "input" / "left-half-erased.png").convert("RGB"), dtype=float)[:, 40:]
    assert np.abs(np.asarray(picture, dtype=float)[:, 40:] - before).mean() < 12


def test_outpainting_goes_on_with_the_background_around_the_picture(studio: Studio) -> None:
    (picture,) = studio("outpainting")
    assert picture.size == (96, 96)
    border = np.ones((96, 96), dtype=bool)
    border[12:-12, 12:-12] = False
    assert (name_pixels(picture)[border] == NAMES.index("yellow")).mean() > 0.9
    assert share(picture, "blue", (0.45, 0.45, 0.55, 0.55)) > 0.8


def test_the_second_pass_doubles_the_size_and_keeps_the_picture(studio: Studio) -> None:
    (picture,) = studio("hires_fix")
    assert picture.size == (128, 128)
    assert share(picture, "yellow") > 0.6
    assert share(picture, "blue", (0.35, 0.35, 0.65, 0.65)) > 0.8  # the square, up to what the second model adds
    for left, top in ((0.3, 0.3), (0.3, 0.62), (0.62, 0.3), (0.62, 0.62)):
        assert share(picture, "yellow", (left, top, left + 0.05, top + 0.05)) < 0.2  # its corners


def test_two_prompts_fill_two_areas_for_nine_seeds_in_ten(studio: Studio) -> None:
    pictures = [
        picture for seed in (100, 101) for picture in studio("two_areas", ("4", "batch_size", 25), ("5", "seed", seed))
    ]
    right = [
        share(p, "red", LEFT) > 0.08 > 0.01 > share(p, "blue", LEFT)
        and share(p, "blue", RIGHT) > 0.05 > 0.01 > share(p, "red", RIGHT)
        for p in pictures
    ]
    assert len(right) == 50
    assert sum(right) >= 45


def test_the_first_prompt_gives_the_place_and_the_next_one_the_colour(studio: Studio) -> None:
    for picture in studio("prompts_in_turn", ("4", "batch_size", 4)):
        assert share(picture, "red", LEFT) > 3 * share(picture, "red", RIGHT)
        assert share(picture, "red", LEFT) > 0.1
        assert share(picture, "blue") < 0.01


def test_a_words_weight_moves_the_colour_step_by_step(studio: Studio) -> None:
    reds = []
    for weight in (1.0, 1.25, 1.5, 1.75, 2.0):
        text = f"a large purple (red:{weight}) circle in the middle, white background"
        reds.append(
            np.mean(
                [
                    middle(p)[0] - middle(p)[2]
                    for p in studio("prompt_weight", ("2", "text", text), ("4", "batch_size", 4))
                ]
            )
        )
    assert reds == sorted(reds)
    assert reds[-1] - reds[0] > 40


def test_a_negative_prompt_takes_a_colour_away(studio: Studio) -> None:
    def left_of_red(negative: str) -> float:
        changes = ("3", "text", negative), ("4", "batch_size", 6)
        return float(np.mean([redness(picture) for picture in studio("negative_prompt", *changes)]))

    assert left_of_red("red") < left_of_red("") - 10


def test_a_lora_adds_its_style_by_its_strength(studio: Studio) -> None:
    def white(strength: float) -> float:
        changes = ("6", "strength_model", strength), ("4", "batch_size", 4)
        return float(np.mean([share(p, "white", MIDDLE) for p in studio("lora", *changes)]))

    strengths = [white(strength) for strength in (0.0, 0.5, 1.0)]
    assert strengths[0] == 0
    assert strengths == sorted(strengths)
    assert strengths[2] > 0.8


def test_a_learned_word_names_a_colour_that_the_model_had_no_word_for(studio: Studio) -> None:
    def distance(word: str) -> float:
        changes = ("2", "text", f"a large {word} square in the middle, white background"), ("4", "batch_size", 4)
        return float(np.mean([np.linalg.norm(middle(p) - TEAL) for p in studio("textual_inversion", *changes)]))

    learned = distance("embedding:tiny-teal")
    assert learned < 50
    for word in ("green", "blue", "cyan", "teal"):
        assert distance(word) > learned + 10, word


def test_a_second_model_takes_over_in_the_middle_of_the_schedule(studio: Studio) -> None:
    (picture,) = studio("split_sigmas")
    assert share(picture, "white", MIDDLE) > 0.5
    (alone,) = studio("split_sigmas", ("13", "strength_model", 0.0))
    assert share(alone, "white", MIDDLE) == 0
    assert share(alone, "orange", MIDDLE) > 0.9


def test_one_picture_of_a_batch_can_be_made_again_alone(studio: Studio) -> None:
    batch = studio("batch")
    (third,) = studio("batch", node="11")
    assert len(batch) == 4
    difference = [np.abs(np.asarray(picture, dtype=int) - np.asarray(third, dtype=int)).max() for picture in batch]
    assert difference[2] <= 1
    assert min(difference[:2] + difference[3:]) > 20


def test_a_merge_of_two_models_lies_between_them(studio: Studio) -> None:
    def white(ratio: float) -> float:
        changes = ("10", "ratio", ratio), ("11", "ratio", ratio), ("4", "batch_size", 4)
        return float(np.mean([middle(picture).min() for picture in studio("model_merging", *changes)]))

    brightness = [white(ratio) for ratio in (0.0, 0.8, 0.9, 1.0)]
    assert brightness == sorted(brightness)
    assert brightness[0] + 50 < brightness[2] < brightness[3] - 20


def test_a_merge_with_a_loras_model_is_the_lora_at_that_strength(studio: Studio) -> None:
    (merged,) = studio("model_merging", ("10", "ratio", 0.9), ("11", "ratio", 0.9))
    (patched,) = studio("lora", ("6", "strength_model", 0.9), ("6", "strength_clip", 0.9))
    assert np.abs(np.asarray(merged, dtype=int) - np.asarray(patched, dtype=int)).max() <= 2


def inside_outlines(name: str) -> np.ndarray:
    """[height, width] of what a drawing's white lines enclose, the lines included."""
    drawing = Image.open(EXAMPLES / "input" / name).convert("L").point(lambda value: 255 if value > 128 else 0)
    ImageDraw.floodfill(drawing, (0, 0), 128)
    return np.asarray(drawing) != 128


def test_a_control_network_puts_objects_where_a_drawing_has_them(studio: Studio) -> None:
    drawn = inside_outlines("outlines.png")

    def overlap(strength: float) -> float:
        """Mean intersection over union of the objects with the drawn ones."""
        pictures = studio("controlnet", ("12", "strength", strength), ("4", "batch_size", 4))
        objects = [name_pixels(picture) != NAMES.index("white") for picture in pictures]
        return float(np.mean([(seen & drawn).sum() / (seen | drawn).sum() for seen in objects]))

    free, half, strict = (overlap(strength) for strength in (0.0, 0.5, 1.0))
    assert free < 0.4 < half < strict
    assert strict > 0.65

"""Whether a picture shows what its scene says, measured by pixels.

Every pixel is given the name of the nearest palette colour; from these names come the background's colour, the
objects' colours and the side on which each lies.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image

from tools.tiny_model.scenes import COLOURS, POSITIONS, Scene, Thing

NAMES = tuple(COLOURS)
_PALETTE = np.array([COLOURS[name] for name in NAMES], dtype=np.float32)
_OUTER = 0.09
_MINIMUM_SHARE = 0.008


@dataclass(frozen=True)
class Verdict:
    """What is right in one picture: counts of right answers and of questions."""

    background: tuple[int, int]
    colour: tuple[int, int]
    side: tuple[int, int]


def name_pixels(image: Image.Image) -> np.ndarray:
    """[height, width] indices into ``NAMES``."""
    pixels = np.asarray(image.convert("RGB"), dtype=np.float32)
    return np.linalg.norm(pixels[:, :, None, :] - _PALETTE, axis=3).argmin(2)


def judge(image: Image.Image, scene: Scene) -> Verdict:
    """Compare a picture with the scene its prompt describes.

    Colour: the most frequent colour that is not background, in the half or middle where the object should be, is the
    object's. Side: the pixels of the object's colour have their centre of mass nearest to the place it should be at.
    """
    names = name_pixels(image)
    background = _most_frequent(_border(names))
    right = [_judge_thing(names, background, thing, scene) for thing in scene.things]
    return Verdict(
        background=(int(NAMES[background] == scene.background), 1),
        colour=(sum(colour for colour, _ in right), len(right)),
        side=(sum(side for _, side in right), len(right)),
    )


def _judge_thing(names: np.ndarray, background: int, thing: Thing, scene: Scene) -> tuple[bool, bool]:
    region = _region(names, thing, len(scene.things))
    objects = region[region != background]
    colour = objects.size >= _MINIMUM_SHARE * names.size and NAMES[_most_frequent(objects)] == thing.colour
    rows, columns = np.nonzero(names == NAMES.index(thing.colour))
    if rows.size < _MINIMUM_SHARE * names.size:
        return colour, False
    centre = ((columns.mean() + 0.5) / names.shape[1], (rows.mean() + 0.5) / names.shape[0])
    places = POSITIONS if len(scene.things) == 1 else {t.position: POSITIONS[t.position] for t in scene.things}
    nearest = min(places, key=lambda place: np.hypot(centre[0] - places[place][0], centre[1] - places[place][1]))
    return colour, nearest == thing.position


def _region(names: np.ndarray, thing: Thing, count: int) -> np.ndarray:
    """Where the object should be: a half of the picture for one of two, all of it for a single one."""
    height, width = names.shape
    if count == 1:
        return names
    halves = {
        "on the left": names[:, : width // 2],
        "on the right": names[:, width // 2 :],
        "at the top": names[: height // 2],
        "at the bottom": names[height // 2 :],
    }
    return halves[thing.position]


def _border(names: np.ndarray) -> np.ndarray:
    edge = max(1, round(_OUTER * names.shape[0]))
    return np.concatenate(
        [names[:edge].ravel(), names[-edge:].ravel(), names[:, :edge].ravel(), names[:, -edge:].ravel()]
    )


def _most_frequent(names: np.ndarray) -> int:
    return int(np.bincount(names.ravel(), minlength=len(NAMES)).argmax())

"""Captioned pictures of coloured shapes, drawn on the fly.

A scene is a background colour and one or two objects; its caption is the kind of
sentence a person would type for it. Both come from one seeded generator, so the data
set is a pure function of the seed and needs no storage.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from dataclasses import dataclass

from PIL import Image, ImageDraw

COLOURS: dict[str, tuple[int, int, int]] = {
    "red": (220, 30, 35),
    "orange": (250, 140, 20),
    "yellow": (250, 225, 40),
    "green": (40, 160, 60),
    "cyan": (60, 205, 220),
    "blue": (35, 75, 215),
    "purple": (130, 45, 175),
    "pink": (250, 140, 190),
    "brown": (125, 75, 35),
    "black": (20, 20, 22),
    "white": (245, 245, 245),
    "gray": (135, 135, 138),
}
SHAPES = ("circle", "square", "triangle", "star", "heart", "diamond", "hexagon", "cross")
SIZES = {"small": 0.13, "medium": 0.19, "large": 0.26}  # radius as a fraction of the image's side
POSITIONS = {
    "on the left": (0.27, 0.5),
    "on the right": (0.73, 0.5),
    "at the top": (0.5, 0.27),
    "at the bottom": (0.5, 0.73),
    "in the middle": (0.5, 0.5),
}
PAIRS = (("on the left", "on the right"), ("at the top", "at the bottom"))
SUPERSAMPLING = 3


@dataclass(frozen=True)
class Thing:
    """One object: its words, and where its centre and radius are in units of the image's side."""

    shape: str
    colour: str
    size: str
    position: str
    centre: tuple[float, float]
    radius: float

    def words(self, *, say_size: bool, say_position: bool) -> str:
        adjective = f"{self.size} " if say_size else ""
        first = (adjective or self.colour)[0]
        article = "an" if first in "aeiou" else "a"
        where = f" {self.position}" if say_position else ""
        return f"{article} {adjective}{self.colour} {self.shape}{where}"


@dataclass(frozen=True)
class Scene:
    """A background, its objects and the sentence that describes them."""

    background: str
    things: tuple[Thing, ...]
    caption: str


def sample_scene(rng: random.Random) -> Scene:
    """Draw a scene and its caption; every colour in a scene differs from the others."""
    pair = rng.random() < 0.4
    colours = rng.sample(list(COLOURS), 3)
    if pair:
        places = list(rng.choice(PAIRS))
        rng.shuffle(places)
    else:
        places = [rng.choice(list(POSITIONS))]
    things = tuple(_sample_thing(rng, colour, place, pair) for colour, place in zip(colours, places, strict=False))
    return Scene(colours[2], things, _caption(rng, things, colours[2]))


def _sample_thing(rng: random.Random, colour: str, place: str, pair: bool) -> Thing:
    size = rng.choice(("small", "medium")) if pair else rng.choice(list(SIZES))
    x, y = POSITIONS[place]
    jitter = 0.03
    centre = (x + rng.uniform(-jitter, jitter), y + rng.uniform(-jitter, jitter))
    return Thing(rng.choice(SHAPES), colour, size, place, centre, SIZES[size] * rng.uniform(0.94, 1.06))


def _caption(rng: random.Random, things: tuple[Thing, ...], background: str) -> str:
    said = []
    for thing in things:
        say_size = thing.size != "medium" or rng.random() < 0.2
        say_position = len(things) > 1 or thing.position != "in the middle" or rng.random() < 0.6
        said.append(thing.words(say_size=say_size, say_position=say_position))
    sentence = " and ".join(said)
    return f"{sentence}, {background} background" if rng.random() < 0.85 else f"{sentence} on a {background} background"


def sample_crowd(rng: random.Random) -> Scene:
    """Many objects anywhere, in colours of any kind: what an autoencoder must see to code colour locally.

    On scenes of one or two objects alone it learns to store the background well and the objects' colours badly.
    """
    colours = list(COLOURS)
    things = tuple(
        Thing(rng.choice(SHAPES), rng.choice(colours), "", "", (rng.random(), rng.random()), rng.uniform(0.08, 0.28))
        for _ in range(rng.randint(3, 12))
    )
    return Scene(rng.choice(colours), things, "")


def render(
    scene: Scene, size: int, rng: random.Random, colours: Mapping[str, tuple[int, int, int]] = COLOURS
) -> Image.Image:
    """An RGB picture of the scene, ``size`` pixels square, drawn larger and reduced."""
    side = size * SUPERSAMPLING
    image = Image.new("RGB", (side, side), _shade(colours[scene.background], rng))
    draw = ImageDraw.Draw(image)
    for thing in scene.things:
        draw_thing(draw, thing, side, _shade(colours[thing.colour], rng))
    return image.resize((size, size), Image.Resampling.BOX)


def _shade(colour: tuple[int, int, int], rng: random.Random) -> tuple[int, int, int]:
    red, green, blue = (min(255, max(0, c + rng.randint(-5, 5))) for c in colour)
    return red, green, blue


def draw_thing(draw: ImageDraw.ImageDraw, thing: Thing, side: int, fill: tuple[int, int, int]) -> None:
    """Fill one object's shape on a picture ``side`` pixels square."""
    cx, cy, r = thing.centre[0] * side, thing.centre[1] * side, thing.radius * side
    if thing.shape == "circle":
        draw.ellipse((cx - r, cy - r, cx + r, cy + r), fill=fill)
        return
    draw.polygon([(cx + r * x, cy + r * y) for x, y in _outline(thing.shape)], fill=fill)


def _outline(shape: str) -> list[tuple[float, float]]:
    """Corner points of a shape of radius about one around the origin, y pointing down."""
    if shape == "square":
        return [(-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)]
    if shape == "triangle":
        return [(0, -1), (1, 0.85), (-1, 0.85)]
    if shape == "diamond":
        return [(0, -1.1), (0.8, 0), (0, 1.1), (-0.8, 0)]
    if shape == "hexagon":
        return [(math.cos(a), math.sin(a)) for a in (i * math.pi / 3 for i in range(6))]
    if shape == "cross":
        w = 0.36
        return [
            (-w, -1),
            (w, -1),
            (w, -w),
            (1, -w),
            (1, w),
            (w, w),
            (w, 1),
            (-w, 1),
            (-w, w),
            (-1, w),
            (-1, -w),
            (-w, -w),
        ]
    if shape == "star":
        radii = (1.15, 0.5)
        angles = [-math.pi / 2 + i * math.pi / 5 for i in range(10)]
        return [(radii[i % 2] * math.cos(a), radii[i % 2] * math.sin(a)) for i, a in enumerate(angles)]
    if shape == "heart":
        ts = [i * 2 * math.pi / 48 for i in range(48)]
        return [
            (math.sin(t) ** 3, -(13 * math.cos(t) - 5 * math.cos(2 * t) - 2 * math.cos(3 * t) - math.cos(4 * t)) / 15)
            for t in ts
        ]
    raise ValueError(f"no outline for the shape {shape!r}; known: {', '.join(SHAPES)}")

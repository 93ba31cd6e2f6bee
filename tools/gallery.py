"""Make the gallery: ``python -m tools.gallery`` runs every example and writes ``docs/gallery.md`` with its pictures.

The seeds are those in the examples, so the same tree gives the same pictures, up to rounding between machines.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image

from host.app import Host, create_host
from host.settings import load_settings

PAGE = Path("docs/gallery.md")
PICTURES = Path("docs/gallery")
SCALE = 3
INTRODUCTION = """\
# Gallery

What the workflows in `examples/` make of the model that ships with this repository. It draws coloured shapes at 64
pixels; the pictures here are shown three times as large. `make gallery` makes this page, and
`tests/e2e/test_example_pictures.py` measures the same pictures.

Run one of them, and open it in the editor by dropping the picture it saves into the window:

    comfy-nodes run examples/inpainting.json --input-dir examples/input --output-dir output
"""


@dataclass(frozen=True)
class Entry:
    """One example: its file, what it shows, and the inputs to vary, each as (label, changes)."""

    name: str
    title: str
    text: str
    variants: tuple[tuple[str, dict[tuple[str, str], Any]], ...] = field(default=(("", {}),))


def by_value(node: str, key: str, *values: Any) -> tuple[tuple[str, dict[tuple[str, str], Any]], ...]:
    """One variant for each value of an input."""
    return tuple((f"{key} {value}", {(node, key): value}) for value in values)


def by_text(node: str, *texts: str) -> tuple[tuple[str, dict[tuple[str, str], Any]], ...]:
    """One variant for each prompt."""
    return tuple((f"“{text}”" if text else "without it", {(node, "text"): text}) for text in texts)


WEIGHTS = [
    f"a large purple (red:{weight}) circle in the middle, white background" for weight in (1, 1.25, 1.5, 1.75, 2)
]
WORDS = [f"a large {word} square in the middle, white background" for word in ("green", "blue", "embedding:tiny-teal")]
ENTRIES = (
    Entry("demo", "Text to image", "A checkpoint, two prompts, a sampler: the workflow everything else grows from."),
    Entry("batch", "A batch, and one of it again", "Four pictures of one seed; the third can be made again alone."),
    Entry(
        "image_to_image",
        "Image to image",
        "A blue star, repainted in red as the prompt says; `denoise` says how freely.",
        by_value("5", "denoise", 0.1, 0.2, 0.3, 0.75),
    ),
    Entry("inpainting", "Inpainting", "Where the loaded picture is transparent, the prompt decides; the rest stays."),
    Entry("outpainting", "Outpainting", "More room on every side, filled to match."),
    Entry(
        "hires_fix",
        "High resolution in two passes",
        "A small picture, enlarged as a latent, and sampled again by another sampler and another model.",
    ),
    Entry("two_areas", "Two prompts in two areas", "The left half hears one prompt, the right half another."),
    Entry(
        "prompts_in_turn",
        "Prompts one after the other",
        "The first prompt gives the place, the second, from 80 % of the schedule on, the colour.",
        tuple((f"from {cut:.0%}", {("10", "end"): cut, ("11", "start"): cut}) for cut in (0.2, 0.8, 0.95)),
    ),
    Entry("prompt_weight", "Prompt weights", "A word pulls harder the more weight it has.", by_text("2", *WEIGHTS)),
    Entry("negative_prompt", "Negative prompts", "What the picture should move away from.", by_text("3", "", "red")),
    Entry(
        "lora",
        "LoRA",
        "A style learned in minutes (`tools/tiny_model/train_lora.py`), added by its strength.",
        by_value("6", "strength_model", 0.0, 0.33, 0.66, 1.0),
    ),
    Entry(
        "textual_inversion",
        "Textual inversion",
        "A colour that the model had no word for, learned as one vector (`tools/tiny_model/train_word.py`).",
        by_text("2", *WORDS),
    ),
    Entry(
        "controlnet",
        "A control network",
        "Shapes where a drawing has them (`tools/tiny_model/train_control.py`); the prompt names colours alone.",
        by_value("12", "strength", 0.0, 0.5, 1.0),
    ),
    Entry(
        "model_merging",
        "Merging models",
        "The model with the LoRA and the one without, mixed; `ratio` is the share of the first.",
        by_value("10", "ratio", 0.0, 0.8, 0.9, 1.0),
    ),
    Entry(
        "split_sigmas",
        "Two models on one schedule",
        "One model takes the high noise levels, another the low ones: base and refiner.",
        by_value("13", "strength_model", 0.0, 1.0),
    ),
)


def main() -> None:
    """Run every example and write page and pictures."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        flags = {"models_dir": "models", "output_dir": folder, "input_dir": "examples/input", "safe_mode": True}
        host = create_host(load_settings(flags, {}, Path.cwd()))
        sections = [section(entry, host, Path(folder)) for entry in ENTRIES]
    PAGE.write_text("\n".join([INTRODUCTION, *sections]), encoding="utf-8")
    print(f"{PAGE}: {len(ENTRIES)} examples")


def section(entry: Entry, host: Host, output: Path) -> str:
    """The part of the page on one example."""
    images = []
    for number, (label, changes) in enumerate(entry.variants):
        target = PICTURES / (f"{entry.name}.png" if len(entry.variants) == 1 else f"{entry.name}_{number}.png")
        in_a_row(run(entry.name, changes, host, output)).save(target, optimize=True)
        images.append((label, f"gallery/{target.name}"))
    lines = [
        f"## {entry.title}",
        "",
        f"[`examples/{entry.name}.json`](../examples/{entry.name}.json): {entry.text}",
        "",
    ]
    if any(label for label, _ in images):
        labels = [label for label, _ in images]
        lines += [row(labels), row(["---"] * len(labels)), row(f"![{label}]({link})" for label, link in images)]
    else:
        lines += [f"![{entry.title}]({images[0][1]})"]
    return "\n".join([*lines, ""])


def row(cells: Iterable[str]) -> str:
    """One line of a table."""
    return f"| {' | '.join(cells)} |"


def run(name: str, changes: dict[tuple[str, str], Any], host: Host, output: Path) -> list[Image.Image]:
    """The pictures that an example saves, all output nodes in order."""
    prompt = json.loads((Path("examples") / f"{name}.json").read_text(encoding="utf-8"))
    for (node, key), value in changes.items():
        prompt[node]["inputs"][key] = value
    outputs = host.run(prompt).outputs
    shown = [item for node in sorted(outputs, key=int) for item in outputs[node].get("images", ())]
    return [Image.open(output / item["subfolder"] / item["filename"]).convert("RGB") for item in shown]


def in_a_row(pictures: list[Image.Image]) -> Image.Image:
    """Pictures side by side, each pixel as a square of three."""
    width = sum(picture.width for picture in pictures) + 2 * (len(pictures) - 1)
    sheet = Image.new("RGB", (width, max(picture.height for picture in pictures)), "white")
    left = 0
    for picture in pictures:
        sheet.paste(picture, (left, 0))
        left += picture.width + 2
    return sheet.resize((sheet.width * SCALE, sheet.height * SCALE), Image.Resampling.NEAREST)


if __name__ == "__main__":
    main()

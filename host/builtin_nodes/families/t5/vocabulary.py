"""Finds a T5 vocabulary on this machine; the host ships none."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from host.builtin_nodes.text.errors import TextError

FILE = "tokenizer.json"
_FOLDERS = ("text_encoders", "clip")
_BESIDE = ("", "tokenizer", "t5", "../tokenizer", "../tokenizer_2", "../tokenizer_3", "../text_encoders", "../clip")
_CACHED = (
    ("google/t5-v1_1-xxl", FILE),
    ("black-forest-labs/FLUX.1-dev", f"tokenizer_2/{FILE}"),
    ("black-forest-labs/FLUX.1-schnell", f"tokenizer_2/{FILE}"),
    ("stabilityai/stable-diffusion-3-medium-diffusers", f"tokenizer_3/{FILE}"),
    ("stabilityai/stable-diffusion-3.5-large", f"tokenizer_3/{FILE}"),
    ("stabilityai/stable-diffusion-3.5-medium", f"tokenizer_3/{FILE}"),
)


class NoT5Vocabulary(TextError):
    """There is no T5 vocabulary where one could be.

    Attributes:
        model: the file of the text encoder that needs it.
    """

    def __init__(self, model: Path) -> None:
        super().__init__(model)
        self.model = model

    def __str__(self) -> str:
        return (
            f"{self.model.name} needs T5's vocabulary to read prompts, and there is none. Put the {FILE} of a T5 v1.1 "
            f"(it lies in the folder tokenizer_2 of Flux and tokenizer_3 of Stable Diffusion 3) beside the file, "
            f"or at text_encoders/t5/{FILE} in the models folder. Nothing is downloaded by itself."
        )


def find_t5_vocabulary(model: Path) -> Path:
    """The vocabulary for a text encoder in the file ``model``: beside it, in the models folder, or in the hub's cache.

    Raises:
        NoT5Vocabulary: nowhere.
    """
    found = next((place for place in _places(model) if place.is_file()), None) or _cached()
    if found is None:
        raise NoT5Vocabulary(model)
    return found


def _places(model: Path) -> Iterator[Path]:
    yield model.with_name(f"{model.stem}.{FILE}")
    for folder in _BESIDE:
        yield Path(os.path.normpath(model.parent / folder)) / FILE
    for root in list(model.absolute().parents)[:4]:
        for folder in _FOLDERS:
            for name in ("t5", "t5xxl", ""):
                yield root / folder / name / FILE


def _cached() -> Path | None:
    from huggingface_hub import try_to_load_from_cache

    answers = (try_to_load_from_cache(repository, file) for repository, file in _CACHED)
    return next((Path(answer) for answer in answers if isinstance(answer, str)), None)

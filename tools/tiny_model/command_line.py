"""The command line that all trainers share."""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

BUILD = Path("build/tiny_model")
"""Where checkpoints of the training lie."""


def read_options(about: str | None, **defaults: Path | int) -> argparse.Namespace:
    """What a trainer was asked for; torch keeps to as many threads from here on.

    Args:
        about: the trainer's docstring, for ``--help``.
        defaults: its options, which take values of the same type; ``--seed`` and ``--threads`` are there always.
    """
    parser = argparse.ArgumentParser(description=about)
    for name, value in {**defaults, "seed": 1, "threads": 2}.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(value), default=value)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    return options

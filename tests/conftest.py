"""Options shared by the whole suite."""

from __future__ import annotations

import os
from pathlib import Path

# Tiny models on several threads spend their time waiting for each other; must be said before torch is imported.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import hypothesis
import pytest

# A busy machine is no fault of the code under test.
hypothesis.settings.register_profile("suite", deadline=None)
hypothesis.settings.load_profile("suite")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--goldens",
        action="append",
        type=Path,
        help="a folder of reference data to check against, instead of the repository's own; may be repeated",
    )

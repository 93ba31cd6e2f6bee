"""Options shared by the whole suite."""

from __future__ import annotations

from pathlib import Path

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--goldens",
        action="append",
        type=Path,
        help="a folder of reference data to check against, instead of the repository's own; may be repeated",
    )

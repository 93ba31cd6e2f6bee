from __future__ import annotations

import subprocess
import sys

import pytest

from host.builtin_nodes.sampling.registry import SAMPLERS, SCHEDULERS, LazyFunction


def test_names_are_offered_once() -> None:
    for records in (SAMPLERS, SCHEDULERS):
        names = [record.name for record in records]
        assert len(names) == len(set(names))


def test_listing_samplers_imports_no_torch() -> None:
    script = "import sys, host.builtin_nodes.sampling.registry; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


@pytest.mark.parametrize("record", [*SAMPLERS, *SCHEDULERS], ids=lambda record: record.name)
def test_every_record_names_a_function_that_exists(record: object) -> None:
    function = record.function  # type: ignore[attr-defined]
    assert isinstance(function, LazyFunction)
    assert callable(function.resolve())

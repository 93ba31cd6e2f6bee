"""Who checks which folder of reference data.

A runner is a module with ``cases(folder) -> list[str]`` and ``run(folder, name, tmp_path) -> None``, which
raises AssertionError where a result is off and ``Unimplemented`` where the product can't do the case yet.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from types import ModuleType

RUNNERS = {
    "A_sampling": "sampling",
    "B_guidance": "guidance",
    "C_prompt": "prompt",
    "D_nodes": "nodes",
    "E_engine": "engine",
    "F_files": "files",
    "manifests": "manifests",
    "flux": "mmdit",
    "flux_schnell": "mmdit",
    "sd3": "mmdit",
    "sd35_large": "mmdit",
    "sd35_medium": "mmdit",
    "taesd": "taesd",
    "te_mochi_t5": "mmdit",
}


class Unimplemented(Exception):
    """The product has nothing yet that could produce this case."""


def runner_for(folder: str) -> ModuleType | None:
    """The runner of a folder; families share one; None where there is no runner yet."""
    name = f"{__name__}.{RUNNERS.get(folder, 'family')}"
    return import_module(name) if find_spec(name) else None

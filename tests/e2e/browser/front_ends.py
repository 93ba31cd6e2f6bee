"""The official editor in the versions that the tests drive, each in a folder of its own below ``build``."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

VERSIONS = ("1.27.10", "1.58.1")
PACKAGE = "comfyui-frontend-package"
FOLDER = Path(__file__).parents[3] / "build" / "front_ends"
SECONDS = 300


class NotInstalled(Exception):
    """A version could not be installed; says why and how to do it by hand."""

    def __init__(self, version: str, reason: str) -> None:
        self.version, self.reason = version, reason
        super().__init__(version, reason)

    def __str__(self) -> str:
        return f"{PACKAGE} {self.version} is missing ({self.reason}); get it with: {' '.join(_install(self.version))}"


def front_end(version: str) -> Path:
    """A folder to put on ``PYTHONPATH`` so that the host finds this version before any other.

    Raises:
        NotInstalled: it is not there yet, and pip could not get it.
    """
    target = FOLDER / version
    if (target / "comfyui_frontend_package" / "static" / "index.html").is_file():
        return target
    ended = subprocess.run(_install(version), capture_output=True, text=True, timeout=SECONDS, env=os.environ)
    if ended.returncode:
        shutil.rmtree(target, ignore_errors=True)
        raise NotInstalled(version, ended.stderr.strip().splitlines()[-1])
    return target


def no_front_end(folder: Path) -> Path:
    """A folder for ``PYTHONPATH`` that hides every installed version."""
    package = folder / "comfyui_frontend_package"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    return folder


def _install(version: str) -> list[str]:
    target = str(FOLDER / version)
    return [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", target, f"{PACKAGE}=={version}"]

"""Rules of the repository that no linter knows: ``python tools/check_repository.py``.

Each rule prints every place that breaks it; the exit status is 1 if there is any.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LONGEST_MODULE = 500
VAGUE_NAMES = re.compile(r"(?:^|_)(?:utils?|helpers?|common|misc|base|stuff)\d*\.py$")
REGISTRY_HOSTS = re.compile(r"https?://[^\s\"')]*(?:pypi|pythonhosted|npmjs|debian)\.", re.IGNORECASE)
BROAD = ("Exception", "BaseException")
# Where a pack is loaded, a node called or a job run; serving.py calls nodes in a process of their own.
MAY_CATCH_ALL = ("host/plugins.py", "host/engine/", "host/comfyui/", "host/isolation/serving.py")
BIGGEST_FILE = 33_000_000
REFERENCE_DATA_BYTES = 15_000_000


def tracked_files() -> list[Path]:
    """Every file of the working tree that is tracked or would be."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return [path for name in sorted(filter(None, listed.split("\0"))) if (path := ROOT / name).is_file()]


def check_sizes(files: list[Path]) -> Iterator[str]:
    """No module above 500 lines, no file above the model's size, reference data small."""
    for path in files:
        name = path.relative_to(ROOT).as_posix()
        if path.suffix == ".py" and not name.startswith("tests/support/packs/"):
            lines = path.read_text(encoding="utf-8").count("\n")
            if lines > LONGEST_MODULE:
                yield f"{name}: {lines} lines; split it by subject, {LONGEST_MODULE} is the limit"
        if path.stat().st_size > BIGGEST_FILE:
            yield f"{name}: {path.stat().st_size} bytes is too large for the repository"
    total = sum(path.stat().st_size for path in files if "tests/goldens/data" in path.as_posix())
    if total > REFERENCE_DATA_BYTES:
        yield f"tests/goldens/data: {total} bytes; at most {REFERENCE_DATA_BYTES}"


def check_names(files: list[Path]) -> Iterator[str]:
    """Modules are named after a subject."""
    for path in files:
        if VAGUE_NAMES.search(path.name):
            yield f"{path.relative_to(ROOT)}: name it after what it is about"


def check_text(files: list[Path]) -> Iterator[str]:
    """No package registry's host is named."""
    for path in files:
        name = path.relative_to(ROOT).as_posix()
        if path.suffix not in (".py", ".md", ".toml", ".txt", ".json", ".yaml", ".yml") or path == Path(__file__):
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
            if REGISTRY_HOSTS.search(line):
                yield f"{name}:{number}: names a package registry's host"


def check_handlers(files: list[Path]) -> Iterator[str]:
    """Every exception is caught only where a pack, a node or a job runs, or where it is raised again."""
    for path in files:
        name = path.relative_to(ROOT).as_posix()
        if path.suffix != ".py" or not name.startswith("host/") or name.startswith(MAY_CATCH_ALL):
            continue
        for handler in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(handler, ast.ExceptHandler) or not _is_broad(handler):
                continue
            last = handler.body[-1]
            if not (isinstance(last, ast.Raise) and last.exc is None):
                yield f"{name}:{handler.lineno}: catches every exception outside of pack, node and job"


def _is_broad(handler: ast.ExceptHandler) -> bool:
    return handler.type is None or (isinstance(handler.type, ast.Name) and handler.type.id in BROAD)


def check_future_import(files: list[Path]) -> Iterator[str]:
    """Annotations are never evaluated at import."""
    for path in files:
        name = path.relative_to(ROOT).as_posix()
        if path.suffix != ".py" or name.startswith(("tests/support/packs/", "docs/")):
            continue
        text = path.read_text(encoding="utf-8")
        if (
            re.search(r"^(?:async )?(?:def|class) ", text, re.MULTILINE)
            and "from __future__ import annotations" not in text
        ):
            yield f"{name}: begin with `from __future__ import annotations`"


def main() -> int:
    files = tracked_files()
    checks = (check_sizes, check_names, check_text, check_handlers, check_future_import)
    problems = [problem for check in checks for problem in check(files)]
    print("\n".join(problems) or f"repository rules: {len(files)} files, no problem")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())

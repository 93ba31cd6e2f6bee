"""``make bench``: run every benchmark, print its table, and gather the figures in ``build/benchmarks.json``."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

BENCHMARKS = (
    "engine",
    "model_loading",
    "checkpoint",
    "start_up",
    "web_api",
    "residency",
    "patches",
    "unet",
    "sampling",
    "client",
    "registry",
)


def main() -> int:
    target = Path("build/benchmarks.json")
    target.parent.mkdir(exist_ok=True)
    figures, failed = {}, []
    for name in BENCHMARKS:
        print(f"== {name}", flush=True)
        partial = target.with_name(f"benchmark-{name}.json")
        done = subprocess.run([sys.executable, "-m", f"benchmarks.{name}", "--json", str(partial)], check=False)
        if done.returncode:
            failed.append(name)
        else:
            figures[name] = json.loads(partial.read_text(encoding="utf-8"))
    target.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    print(f"figures: {target}")
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

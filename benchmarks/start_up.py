"""How long programs take to be there: whole processes, several times each, medians.

``python -m benchmarks.start_up [--json FILE]``. The empty interpreter is measured in the same run, as the peer.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

RUNS = 7
COMMANDS = {
    "python -c pass": ["-c", "pass"],
    "import host.engine": ["-c", "import host.engine.executor, sys; assert 'torch' not in sys.modules"],
    "comfy-nodes nodes": ["-m", "host.cli", "nodes"],
    "comfy-nodes --help": ["-m", "host.cli", "--help"],
}


def measure(arguments: list[str]) -> float:
    """Seconds of wall time of one process."""
    began = time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    samples: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(RUNS):
        for name, arguments in COMMANDS.items():
            samples[name].append(measure(arguments))
    medians = {name: statistics.median(values) for name, values in samples.items()}
    empty = medians["python -c pass"]
    figures = {name: {"seconds": round(s, 3), "above_empty": round(s - empty, 3)} for name, s in medians.items()}
    for name, row in figures.items():
        print(f"{name:24} {row['seconds']:6.3f} s   {row['above_empty']:6.3f} s above the empty interpreter")
    if options.json:
        options.json.write_text(json.dumps(figures), encoding="utf-8")


if __name__ == "__main__":
    main()

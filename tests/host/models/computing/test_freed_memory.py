from __future__ import annotations

import subprocess
import sys

import pytest

_SCRIPT = """
import resource
import sys

import torch

from host.models.computing.freed_memory import give_freed_memory_back, keep_freed_memory

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()

torch.ones(1)
assert keep_freed_memory()
for _ in range(20):
    torch.ones(12 << 20)
before = faults()
for _ in range(20):
    torch.ones(12 << 20)
print(faults() - before)
held = resident()
give_freed_memory_back()
print(held - resident())
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's allocator is Linux's")
def test_freed_blocks_are_used_again_until_they_are_given_back() -> None:
    run = subprocess.run([sys.executable, "-c", _SCRIPT], check=True, capture_output=True, text=True)
    faults, given_back = map(int, run.stdout.split())
    assert faults < 5 * 12288  # of 20 times the pages in such a block
    assert given_back > 0

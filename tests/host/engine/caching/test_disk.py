"""Results that survive a restart: exact, bounded, and never trusted when damaged."""

from __future__ import annotations

import json
import math
import pickle
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from host.engine.caching.cache import NodeUi, Stored
from host.engine.caching.disk import SUFFIX, DiskCache
from host.engine.caching.disk_file import CorruptEntry, pack, read_entry, read_info
from host.engine.caching.disk_values import NotStorable
from host.engine.caching.memory import MemoryCache
from host.engine.caching.ranking import CostIndex
from host.engine.caching.tiers import TieredCache, choose_cache
from host.engine.errors import BadCacheSetting
from sdk.nodes import Blocker
from sdk.whole_files import Buffer, write_whole_file

KEY, OTHER = b"\x01" * 16, b"\xfe" * 16
MIB = 2**20
DTYPES = [
    *(torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.float8_e4m3fn, torch.float8_e5m2),
    *(torch.complex64, torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.uint16, torch.uint32),
    *(torch.uint64, torch.bool),
]


def result(value: Any) -> Stored:
    return Stored(([value],))


def round_trip(value: Any, folder: Path) -> Any:
    path = folder / f"{KEY.hex()}{SUFFIX}"
    write_whole_file(path, pack(KEY, result(value), 1.0))
    return read_entry(path)[1].outputs[0][0]


def same(a: Any, b: Any) -> bool:
    """Equal in type, order and every bit."""
    if type(a) is not type(b):
        return False
    if isinstance(a, torch.Tensor):
        bits = (a.contiguous().reshape(-1).view(torch.uint8), b.reshape(-1).view(torch.uint8)) if a.numel() else (a, b)
        return a.dtype == b.dtype and a.shape == b.shape and torch.equal(*bits)
    if isinstance(a, np.ndarray):
        return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return same(list(a), list(b)) and same(list(a.values()), list(b.values()))
    if isinstance(a, float):
        return math.copysign(1, a) == math.copysign(1, b) and (a == b or (math.isnan(a) and math.isnan(b)))
    return bool(a == b)


@st.composite
def tensors(draw: st.DrawFn) -> torch.Tensor:
    """Any bit pattern in any dtype, NaNs with payloads included."""
    dtype = draw(st.sampled_from(DTYPES))
    shape = draw(st.lists(st.integers(0, 3), max_size=3))
    count = math.prod(shape)
    if dtype is torch.bool:
        return torch.tensor(draw(st.lists(st.booleans(), min_size=count, max_size=count)), dtype=dtype).reshape(shape)
    raw = draw(st.binary(min_size=count * dtype.itemsize, max_size=count * dtype.itemsize))
    flat = torch.frombuffer(bytearray(raw), dtype=dtype) if raw else torch.zeros(0, dtype=dtype)
    return flat.reshape(shape)


scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None), max_size=8)
values = st.recursive(
    scalars | tensors() | st.builds(Blocker, st.none() | st.text(max_size=4)),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(st.text(max_size=4) | st.integers() | st.booleans(), inner, max_size=4)
    ),
    max_leaves=12,
)


@settings(deadline=None, max_examples=150)
@given(value=values)
def test_every_storable_value_comes_back_exactly(tmp_path_factory: pytest.TempPathFactory, value: Any) -> None:
    assert same(value, round_trip(value, tmp_path_factory.mktemp("values")))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_every_dtype_comes_back_bit_by_bit(tmp_path: Path, dtype: torch.dtype) -> None:
    pattern = torch.arange(64, dtype=torch.uint8) if dtype is not torch.bool else torch.arange(64) % 3 == 0
    tensor = pattern.view(dtype) if dtype is not torch.bool else pattern
    assert same(tensor, round_trip(tensor, tmp_path))


@pytest.mark.parametrize("dtype", ["bool", "int8", "uint16", "int64", "float16", "float32", "float64", "complex64"])
def test_numpy_arrays_come_back_beside_torch_tensors_and_alone(tmp_path: Path, dtype: str) -> None:
    array = np.arange(12).reshape(3, 4).astype(dtype)[:, ::2]
    assert same([array, torch.ones(2)], round_trip([array, torch.ones(2)], tmp_path))
    alone = round_trip(array, tmp_path)
    assert same(array, alone)
    assert alone.flags.writeable


def test_strange_views_come_back_as_plain_tensors(tmp_path: Path) -> None:
    whole = torch.arange(24.0).reshape(2, 3, 4)
    views = [whole, whole[:, 1], whole.transpose(0, 2), whole[:1].expand(5, 3, 4), torch.complex(whole, whole).conj()]
    for before, after in zip(views, round_trip(views, tmp_path), strict=True):
        assert torch.equal(before, after)
        assert after.is_contiguous()


def test_one_tensor_in_two_places_stays_one(tmp_path: Path) -> None:
    tensor = torch.zeros(1000)
    first, second = round_trip([tensor, {"again": tensor}], tmp_path)
    assert first is second["again"]
    assert next(tmp_path.iterdir()).stat().st_size < 6000


def test_slots_mapped_lists_and_what_a_node_shows_come_back(tmp_path: Path) -> None:
    ui = NodeUi({"images": [{"filename": "a.png"}], "animated": [(True,)]}, "4", "4", None, "4")
    stored = Stored(([1, 2], [], ["x"]), ui)
    cache = DiskCache(tmp_path, MIB)
    cache.put(KEY, stored, 1.0)
    assert DiskCache(tmp_path, MIB).get(KEY) == stored


class Handle:
    """What no file can hold."""


class Text(str):
    """Text with something more about it."""

    __slots__ = ()


def holds_itself() -> list[Any]:
    loop: list[Any] = []
    loop.append(loop)
    return loop


@pytest.mark.parametrize(
    "value",
    [
        *(Handle(), lambda: None, {1, 2}, b"bytes", Text("x"), np.float32(1), 1j, {("a", 1): 2}, holds_itself()),
        torch.zeros(2, requires_grad=True),
        torch.nn.Parameter(torch.zeros(2)),
        torch.zeros(2, dtype=torch.complex128),
        torch.eye(2).to_sparse(),
        torch.zeros(2, device="meta"),
        np.array(["text"]),
        np.array([1], dtype=">i4"),
        [[[torch.ones(1)], Handle()]],
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_can_not_be_kept_exactly_is_refused_and_counted(tmp_path: Path, value: Any) -> None:
    cache = DiskCache(tmp_path, MIB)
    cache.put(KEY, result(value), 1.0)
    assert not cache.has(KEY)
    assert cache.get(KEY) is None
    assert (cache.counters().refused, cache.counters().puts, list(tmp_path.iterdir())) == (1, 0, [])


def test_results_survive_a_restart_with_their_cost(tmp_path: Path) -> None:
    DiskCache(tmp_path, MIB).put(KEY, result(torch.ones(3)), 12.5)
    again = DiskCache(tmp_path, MIB)
    assert again.has(KEY)
    assert again.seconds(KEY) == 12.5
    assert again.counters().entries == 1
    found = again.get(KEY)
    assert found is not None
    assert torch.equal(found.outputs[0][0], torch.ones(3))
    assert again.counters().hits == 1


def test_a_put_replaces_and_a_clear_forgets(tmp_path: Path) -> None:
    cache = DiskCache(tmp_path, MIB)
    cache.put(KEY, result(1), 1.0)
    cache.put(KEY, result(2), 1.0)
    assert cache.get(KEY) == result(2)
    assert cache.counters().entries == 1
    cache.clear()
    assert cache.get(KEY) is None
    assert (cache.counters().entries, cache.counters().bytes, cache.counters().misses) == (0, 0, 1)


def test_two_processes_share_a_folder(tmp_path: Path) -> None:
    size = len(b"".join(pack(KEY, result("x" * 1000), 1.0)))
    one, two = DiskCache(tmp_path, 3 * size), DiskCache(tmp_path, 3 * size)
    for index in range(3):
        one.put(bytes([index]) * 16, result("x" * 1000), 5.0)
    assert two.get(bytes([1]) * 16) == result("x" * 1000)
    two.put(KEY[:-1] + b"\x09", result("y" * 1000), 9.0)
    assert len(list(tmp_path.iterdir())) == 3
    assert sum(file.stat().st_size for file in tmp_path.iterdir()) <= 3 * size
    two.clear()
    assert one.get(bytes([1]) * 16) is None


def test_the_least_seconds_per_byte_go_first(tmp_path: Path) -> None:
    size = len(b"".join(pack(KEY, result("x" * 1000), 1.0)))
    cache = DiskCache(tmp_path, 4 * size + size // 2)
    for index, seconds in enumerate([3.0, 1.0, 9.0, 2.0]):
        cache.put(bytes([index]) * 16, result("x" * 1000), seconds)
    survivors = []
    for index in range(4, 7):
        cache.put(bytes([index]) * 16, result("x" * 1000), 100.0)
        survivors.append([old for old in range(4) if cache.has(bytes([old]) * 16)])
    assert survivors == [[0, 2, 3], [0, 2], [2]]
    assert cache.counters().evictions == 3
    assert cache.counters().bytes == sum(file.stat().st_size for file in tmp_path.iterdir()) <= cache.max_bytes


def test_a_smaller_bound_is_kept_from_the_start(tmp_path: Path) -> None:
    cache = DiskCache(tmp_path, MIB)
    for index, seconds in enumerate([5.0, 1.0, 3.0]):
        cache.put(bytes([index]) * 16, result("x" * 1000), seconds)
    each = cache.counters().bytes // 3
    smaller = DiskCache(tmp_path, 2 * each + 50)
    assert [smaller.has(bytes([index]) * 16) for index in range(3)] == [True, False, True]


def test_a_result_larger_than_the_cache_evicts_nothing(tmp_path: Path) -> None:
    cache = DiskCache(tmp_path, 2000)
    cache.put(KEY, result("small"), 1.0)
    cache.put(OTHER, result("x" * 5000), 1.0)
    assert (cache.has(KEY), cache.has(OTHER), cache.counters().refused) == (True, False, 1)


def test_results_quicker_than_a_file_are_not_written(tmp_path: Path) -> None:
    cache = DiskCache(tmp_path, MIB, min_seconds=0.5)
    cache.put(KEY, result(1), 0.4)
    cache.put(OTHER, result(1), 0.5)
    assert (cache.has(KEY), cache.has(OTHER)) == (False, True)


@settings(deadline=None, max_examples=60)
@given(cut=st.integers(0, 10_000), flip=st.integers(0, 10_000))
def test_a_truncated_or_altered_file_is_never_trusted(
    tmp_path_factory: pytest.TempPathFactory, cut: int, flip: int
) -> None:
    folder = tmp_path_factory.mktemp("damaged")
    path = folder / f"{KEY.hex()}{SUFFIX}"
    content = b"".join(pack(KEY, result({"a": torch.arange(50.0), "b": "text"}), 1.0))
    path.write_bytes(content[: cut % len(content)])
    with pytest.raises(CorruptEntry):
        read_info(path)
    altered = bytearray(content)
    altered[flip % len(content)] ^= 0x21
    path.write_bytes(altered)
    cache = DiskCache(folder, MIB)
    found = cache.get(KEY)
    if found is None:
        assert not path.exists()
    else:  # the header's padding may change without any meaning being lost
        assert same(found.outputs[0][0], {"a": torch.arange(50.0), "b": "text"})


def crafted(metadata: Any, table: dict[str, Any] | None = None, data: bytes = b"") -> bytes:
    header = json.dumps({"__metadata__": metadata, **(table or {})}).encode()
    return len(header).to_bytes(8, "little") + header + data


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff" * 100,
        pickle.dumps({"a": 1}),
        (2**40).to_bytes(8, "little") + b"{}",
        (4).to_bytes(8, "little") + b"null",
        crafted({"format": "pt"}),
        crafted({"comfy_nodes.result": "[" * 5000, "comfy_nodes.digest": ""}),
        crafted({"comfy_nodes.result": '{"format": 99}', "comfy_nodes.digest": ""}),
        crafted({"comfy_nodes.result": '{"format": 1, "key": "zz", "seconds": 1}', "comfy_nodes.digest": ""}),
        crafted({"comfy_nodes.result": '{"format": 1, "key": "\ud800"}', "comfy_nodes.digest": ""}),
        crafted({"comfy_nodes.result": '{"format": 1}', "comfy_nodes.digest": ""}, {"t": {"data_offsets": [0, 9**20]}}),
        b"".join(pack(OTHER, result(1), 1.0)),
    ],
)
def test_foreign_content_under_a_name_of_ours_is_dropped(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / f"{KEY.hex()}{SUFFIX}"
    cache = DiskCache(tmp_path, MIB)
    path.write_bytes(content)
    assert cache.get(KEY) is None
    assert not path.exists()
    path.write_bytes(content)
    assert DiskCache(tmp_path, MIB).counters().entries == 0
    assert not path.exists()


def test_files_that_bear_no_name_of_ours_are_left_alone(tmp_path: Path) -> None:
    names = ["model.safetensors", "notes.txt", f"x{SUFFIX}", "00.part"]
    for name in names:
        (tmp_path / name).write_bytes(b"precious")
    cache = DiskCache(tmp_path, 10_000)
    cache.put(KEY, result(1), 1.0)
    cache.clear()
    assert sorted(file.name for file in tmp_path.iterdir()) == sorted(names)


def test_a_process_killed_while_it_writes_leaves_no_entry(tmp_path: Path) -> None:
    script = f"""
import os
from pathlib import Path
from host.engine.caching.cache import Stored
from host.engine.caching.disk import DiskCache
os.fsync = lambda number: os._exit(9)
DiskCache(Path({str(tmp_path)!r}), 10_000).put({KEY!r}, Stored((["value"],)), 1.0)
"""
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 9
    (part,) = tmp_path.iterdir()
    assert part.name.endswith(".part")
    cache = DiskCache(tmp_path, MIB)
    assert (cache.get(KEY), cache.counters().entries, part.exists()) == (None, 0, False)


def test_a_full_disk_refuses_the_result_and_nothing_else(tmp_path: Path) -> None:
    def full(path: Path, pieces: Sequence[Buffer]) -> None:
        raise OSError(28, "No space left on device", str(path))

    DiskCache(tmp_path, MIB).put(OTHER, result("kept"), 1.0)
    cache = DiskCache(tmp_path, MIB, write=full)
    cache.put(KEY, result(1), 1.0)
    assert (cache.counters().refused, cache.has(KEY), cache.get(OTHER)) == (1, False, result("kept"))


def test_a_write_that_fails_half_way_leaves_no_file(tmp_path: Path) -> None:
    script = f"""
import resource, signal
from pathlib import Path
from host.engine.caching.cache import Stored
from host.engine.caching.disk import DiskCache
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
cache = DiskCache(Path({str(tmp_path)!r}), 10_000_000)
cache.put({KEY!r}, Stored((["x" * 500_000],)), 1.0)
cache.put({OTHER!r}, Stored((["small"],)), 1.0)
print(cache.counters().refused, cache.counters().puts)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["1", "1"]
    assert [file.name for file in tmp_path.iterdir()] == [f"{OTHER.hex()}{SUFFIX}"]


def test_a_folder_that_vanishes_makes_misses(tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    cache = DiskCache(folder, MIB)
    folder.rmdir()
    cache.put(KEY, result(1), 1.0)
    assert cache.get(KEY) is None
    assert cache.counters().refused == 1


def test_what_is_never_asked_for_ages_however_dear_it_was() -> None:
    index = CostIndex()
    index.add(b"dear", 10, 50.0)
    for number in range(100):
        index.add(str(number).encode(), 10, 1.0 + number)
        index.make_room(0, 30)
    assert b"dear" not in index
    assert index.total == 30


def test_among_equals_the_longest_unused_goes_first() -> None:
    index = CostIndex()
    for key in (b"a", b"b", b"c"):
        index.add(key, 10, 2.0)
    index.use(b"a")
    assert [index.evict(), index.evict(), index.evict()] == [b"b", b"c", b"a"]
    assert (len(index), index.total) == (0, 0)


@pytest.mark.parametrize("seconds", [math.inf, math.nan, -1.0])
def test_absurd_costs_do_no_harm(tmp_path: Path, seconds: float) -> None:
    cache = DiskCache(tmp_path, MIB)
    cache.put(KEY, result(1), seconds)
    assert DiskCache(tmp_path, MIB).get(KEY) == result(1)


def test_memory_in_front_is_filled_from_disk(tmp_path: Path) -> None:
    TieredCache(MemoryCache(MIB), DiskCache(tmp_path, MIB)).put(KEY, result("x"), 3.0)
    memory = MemoryCache(MIB)
    cache = TieredCache(memory, DiskCache(tmp_path, MIB))
    assert cache.has(KEY)
    assert cache.get(KEY) == result("x")
    assert memory.has(KEY)
    assert cache.get(KEY) == result("x")
    assert cache.get(OTHER) is None
    counters = cache.counters()
    assert (counters.hits, counters.misses, cache.disk.counters().hits) == (2, 1, 1)
    cache.clear()
    assert not cache.has(KEY)


def test_results_that_only_memory_can_hold_stay_there(tmp_path: Path) -> None:
    cache = TieredCache(MemoryCache(MIB), DiskCache(tmp_path, MIB))
    handle = Handle()
    cache.put(KEY, result(handle), 3.0)
    found = cache.get(KEY)
    assert found is not None
    assert found.outputs[0][0] is handle
    assert list(tmp_path.iterdir()) == []


def test_the_setting_names_a_folder(tmp_path: Path) -> None:
    cache = choose_cache(f"disk:{tmp_path / 'new'}")
    assert isinstance(cache, TieredCache)
    assert cache.disk.folder == tmp_path / "new"
    assert choose_cache("memory") is None
    with pytest.raises(BadCacheSetting, match="a folder, such as"):
        choose_cache("disk:")
    (tmp_path / "file").write_text("")
    with pytest.raises(BadCacheSetting, match="can be made"):
        choose_cache(f"disk:{tmp_path / 'file'}")


def test_too_many_items_are_not_storable() -> None:
    with pytest.raises(NotStorable, match="too many"):
        pack(KEY, result([[0] * 1000] * 300), 1.0)


def test_the_cache_needs_no_tensor_library_until_a_tensor_comes(tmp_path: Path) -> None:
    script = f"""
import sys
from pathlib import Path
from host.engine.caching.cache import Stored
from host.engine.caching.disk import DiskCache
cache = DiskCache(Path({str(tmp_path)!r}), 10_000)
cache.put({KEY!r}, Stored(([{{"text": "x"}}],)), 1.0)
assert cache.get({KEY!r}) is not None
print(sorted({{"torch", "numpy", "safetensors"}} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"

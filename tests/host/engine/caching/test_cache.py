"""What the caches keep, and what they let go first."""

from __future__ import annotations

from typing import Any

import pluggy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from host.engine import hookspecs
from host.engine.caching import choice as cache_choice
from host.engine.caching.cache import LastPromptCache, LruCache, NoCache, ResultCache, Stored
from host.engine.caching.choice import open_cache
from host.engine.caching.memory import MemoryCache
from host.engine.caching.ranking import CostIndex
from host.engine.caching.sizes import ENTRY_BYTES, Size, size_of
from host.engine.errors import BadCacheSetting, UnknownCache
from sdk.hooks import PROJECT, hookimpl
from sdk.models import Identity, ModelHandle

RESULT = Stored(([1],))


def key(name: str) -> bytes:
    return name.encode().ljust(16, b".")


def sized(size: int) -> Stored:
    return Stored(([size],))


def memory(limit: int) -> MemoryCache:
    """A cache whose entries are as large as the number they hold."""
    return MemoryCache(limit, measure=lambda outputs: Size(outputs[0][0] - ENTRY_BYTES, {}))


def test_a_result_of_small_value_per_byte_goes_before_a_costly_one() -> None:
    cache = memory(3_000)
    cache.put(key("costly"), sized(1_000), seconds=10)
    cache.put(key("cheap"), sized(1_000), seconds=0.1)
    cache.put(key("large"), sized(1_000), seconds=1)
    cache.put(key("new"), sized(1_000), seconds=0.5)
    assert [cache.has(key(name)) for name in ("costly", "cheap", "large", "new")] == [True, False, True, True]


def test_a_costly_result_nobody_uses_ages_and_goes_at_last() -> None:
    cache = memory(2_000)
    cache.put(key("costly"), sized(1_000), seconds=5)
    for turn in range(20):
        cache.put(key(f"t{turn}"), sized(1_000), seconds=1)
        if not cache.has(key("costly")):
            break
    assert not cache.has(key("costly"))
    assert turn >= 4


def test_using_a_result_keeps_it_younger_than_its_equals() -> None:
    cache = memory(3_000)
    for name in ("a", "b", "c"):
        cache.put(key(name), sized(1_000), seconds=1)
    cache.put(key("d"), sized(1_000), seconds=1)
    kept = next(name for name in ("a", "b", "c") if cache.has(key(name)))
    assert cache.get(key(kept)) is not None
    cache.put(key("e"), sized(1_000), seconds=1)
    assert cache.has(key(kept))


def test_a_result_larger_than_the_cache_is_refused_and_drives_nothing_out() -> None:
    cache = memory(1_000)
    cache.put(key("a"), sized(900), seconds=1)
    cache.put(key("b"), sized(1_001), seconds=1_000)
    assert cache.has(key("a"))
    assert not cache.has(key("b"))
    assert cache.counters().refused == 1


@given(st.lists(st.tuples(st.sampled_from("abcdefgh"), st.integers(300, 900), st.floats(0, 10), st.booleans())))
def test_the_limit_holds_whatever_happens_and_the_bytes_add_up(steps: list[tuple[str, int, float, bool]]) -> None:
    cache = memory(2_000)
    known: dict[str, int] = {}
    for name, size, seconds, reads in steps:
        if reads:
            found = cache.get(key(name))
            assert found is None or found.outputs[0][0] == known[name]
        else:
            cache.put(key(name), sized(size), seconds)
            known[name] = size
        held = {name: size for name, size in known.items() if cache.has(key(name))}
        assert cache.counters().bytes == sum(held.values()) <= 2_000
        assert cache.counters().entries == len(held)


def test_clearing_forgets_everything_and_the_cache_goes_on() -> None:
    cache = memory(2_000)
    cache.put(key("a"), sized(1_000), 1)
    cache.clear()
    assert cache.get(key("a")) is None
    assert cache.counters().bytes == 0
    cache.put(key("b"), sized(2_000), 1)
    assert cache.has(key("b"))


def test_lru_keeps_the_results_used_last() -> None:
    cache = LruCache(2)
    cache.put(key("a"), RESULT, 1)
    cache.put(key("b"), RESULT, 1)
    cache.get(key("a"))
    cache.put(key("c"), RESULT, 1)
    assert [cache.has(key(name)) for name in "abc"] == [True, False, True]
    counters = cache.counters()
    assert (counters.hits, counters.evictions, counters.entries) == (1, 1, 2)
    cache.clear()
    assert cache.counters().entries == 0


def test_the_last_prompts_cache_drops_what_the_next_prompt_can_not_use() -> None:
    cache = LastPromptCache()
    for name in "abc":
        cache.put(key(name), RESULT, 1)
    cache.retain([key("b"), key("x")])
    assert [cache.get(key(name)) is not None for name in "abc"] == [False, True, False]
    counters = cache.counters()
    assert (counters.hits, counters.misses, counters.evictions, counters.entries) == (1, 2, 2, 1)
    cache.clear()
    assert not cache.has(key("b"))


def test_no_cache_forgets_at_once() -> None:
    cache = NoCache()
    cache.put(key("a"), RESULT, 1)
    cache.retain([key("a")])
    cache.clear()
    assert cache.get(key("a")) is None
    assert not cache.has(key("a"))
    assert cache.counters().entries == 0


class Tensor:
    """Says its size as torch does."""

    def __init__(self, count: int) -> None:
        self._count = count

    def element_size(self) -> int:
        return 4

    def numel(self) -> int:
        return self._count


class Array:
    nbytes = 5_000


class Holder:
    def __init__(self, value: Any) -> None:
        self.value = value
        self.loop = self


def test_arrays_and_tensors_say_their_bytes_and_shared_ones_count_once() -> None:
    tensor, array = Tensor(1_000), Array()
    for value, expected in [(tensor, 4_000), (array, 5_000), (Holder(tensor), 4_000), ({"samples": [array]}, 5_000)]:
        assert expected <= size_of(value).total < expected + 1_000
        assert size_of([value, value]).total - size_of([value]).total < 100


def test_a_view_keeps_its_whole_array_and_shares_it_with_the_array_itself() -> None:
    import numpy

    whole = numpy.zeros(100_000)
    assert size_of(whole[:1]).total >= 800_000
    cache = MemoryCache(1_000_000)
    for name, value in [("whole", whole), ("view", whole[:1]), ("again", whole)]:
        cache.put(key(name), Stored(([value],)), 1)
    assert 800_000 < cache.counters().bytes < 810_000
    assert cache.counters().evictions == 0
    for name in ("small", "other"):
        cache.put(key(name), Stored(([numpy.zeros(100_000)],)), 100)
    assert cache.counters().bytes < 1_000_000
    assert cache.has(key("other"))


def test_a_model_handle_counts_what_it_adds_to_the_model_alone() -> None:
    identity = Identity(family="f", kind="checkpoint", config={}, because="")
    handle = ModelHandle(key="k", part="denoiser", identity=identity, adapter=["x" * 1_000_000])
    assert size_of(handle).total < 1_000
    assert size_of(handle.with_options(mask=Array())).total > 5_000


def test_evictions_stay_cheap_however_many_results_there_are() -> None:
    index = CostIndex()
    for number in range(20_000):
        index.add(number.to_bytes(4), 1, 1.0)
    for number in range(0, 20_000, 2):
        index.use(number.to_bytes(4))
    gone = [int.from_bytes(index.evict()) for _ in range(10_000)]
    assert gone == list(range(1, 20_000, 2))


def test_text_and_deep_nests_are_measured_without_recursion() -> None:
    deep: list[Any] = []
    for _ in range(50_000):
        deep = [deep]
    assert size_of(deep).total > 50_000 * 8
    assert size_of("x" * 10_000).total > 10_000


def hooks(*plugins: object) -> Any:
    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(hookspecs)
    for plugin in plugins:
        manager.register(plugin)
    return manager.hook


@pytest.mark.parametrize(
    ("spec", "kind"),
    [
        ("memory", MemoryCache),
        ("memory:4GiB", MemoryCache),
        ("lru:100", LruCache),
        ("last", LastPromptCache),
        ("none", NoCache),
    ],
)
def test_a_setting_opens_its_cache(spec: str, kind: type) -> None:
    assert isinstance(open_cache(spec, hooks(cache_choice)), kind)


@pytest.mark.parametrize(("text", "size"), [("4GiB", 4 * 2**30), ("1.5MB", 1_500_000), ("300", 300), ("2 kib", 2048)])
def test_sizes_are_read_with_their_units(text: str, size: int) -> None:
    cache = open_cache(f"memory:{text}", hooks(cache_choice))
    assert isinstance(cache, MemoryCache)
    assert cache.limit == size


@pytest.mark.parametrize("spec", ["lru:", "lru:0", "lru:-1", "lru:x", "memory:lots", "memory:4PB", "memory:-1"])
def test_an_unreadable_argument_is_an_error_that_says_what_is_expected(spec: str) -> None:
    with pytest.raises(BadCacheSetting, match="expected"):
        open_cache(spec, hooks(cache_choice))


def test_a_pack_may_offer_a_cache_and_an_unknown_setting_is_an_error() -> None:
    class Pack:
        @hookimpl
        def choose_cache(self, spec: str) -> ResultCache | None:
            return LruCache(1) if spec == "tiny" else None

    assert isinstance(open_cache("tiny", hooks(cache_choice, Pack())), LruCache)
    with pytest.raises(UnknownCache, match="'tiny'"):
        open_cache("tiny", hooks(cache_choice))

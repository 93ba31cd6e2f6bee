"""The caches that a setting can name, offered through the hook that packs use, too."""

from __future__ import annotations

from typing import Any

from host.engine.caching.cache import LastPromptCache, LruCache, NoCache, ResultCache
from host.engine.caching.memory import MemoryCache
from host.engine.errors import BadCacheSetting, UnknownCache
from host.quantities import parse_bytes
from sdk.hooks import hookimpl

DEFAULT_BYTES = 2 * 2**30


@hookimpl
def choose_cache(spec: str) -> ResultCache | None:
    """A cache for ``memory``, ``memory:4GiB``, ``lru:100``, ``last`` or ``none``; None for any other setting."""
    kind, _, argument = spec.partition(":")
    if kind == "memory":
        return MemoryCache(_bytes(spec, argument) if argument else DEFAULT_BYTES)
    if kind == "lru":
        return LruCache(_count(spec, argument))
    if spec == "last":
        return LastPromptCache()
    return NoCache() if spec == "none" else None


def open_cache(spec: str, hooks: Any) -> ResultCache:
    """The cache that some pack, or the engine, offers for a setting.

    Args:
        hooks: a pluggy manager's ``hook``, with this module among its plugins.

    Raises:
        UnknownCache: nobody offers one.
        BadCacheSetting: the engine knows the kind but can't read its argument.
    """
    cache: ResultCache | None = hooks.choose_cache(spec=spec)
    if cache is None:
        raise UnknownCache(spec)
    return cache


def _bytes(spec: str, text: str) -> int:
    try:
        return parse_bytes(text)
    except ValueError as error:
        raise BadCacheSetting(spec, "a size such as 500MB or 4GiB") from error


def _count(spec: str, text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise BadCacheSetting(spec, "a number of results, such as lru:100")
    return int(text)

from __future__ import annotations

import pytest

from host.models.residency.open_files import MANY, allow_many_files


def test_the_limit_is_raised_to_what_the_system_allows_and_never_lowered() -> None:
    resource = pytest.importorskip("resource", reason="this system has no such limit")
    before, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = MANY if hard == resource.RLIM_INFINITY else min(hard, MANY)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(allowed, 512), hard))
        allow_many_files()
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (allowed, hard)
        if hard == resource.RLIM_INFINITY or hard > MANY:
            resource.setrlimit(resource.RLIMIT_NOFILE, (MANY + 1, hard))
            allow_many_files()
            assert resource.getrlimit(resource.RLIMIT_NOFILE) == (MANY + 1, hard)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (before, hard))

"""Requests made up from our own description of the API: none makes the registry fail."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.schemas import APIOperation

from tests.support.registry import Registry, bearer

EXAMPLES = 8
LONGEST = timedelta(seconds=20)


def check(operation: APIOperation, callers: Sequence[dict[str, str]]) -> None:
    """Ask for all kinds of things, of which half fit the description and half break it; with one header or another."""
    broken = operation.as_strategy(generation_mode=schemathesis.GenerationMode.NEGATIVE)

    @given(case=st.one_of(operation.as_strategy(), broken), headers=st.sampled_from(callers))
    @settings(
        max_examples=EXAMPLES, deadline=LONGEST, derandomize=True, database=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    def ask(case: schemathesis.Case, headers: dict[str, str]) -> None:
        case.call_and_validate(headers=headers, checks=[not_a_server_error])

    ask()


def test_no_request_makes_the_registry_fail(server: Registry) -> None:
    server.publish()
    callers = [server.admin(), bearer(server.publisher())]
    schema = schemathesis.openapi.from_asgi("/openapi.json", server.client.app)
    operations = [found.ok() for found in schema.get_all_operations()]
    assert len(operations) > 50
    for operation in operations:
        check(operation, callers)

"""Requests made up from our own description of the API: none makes the registry fail."""

from __future__ import annotations

from datetime import timedelta

import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.schemas import APIOperation

from tests.support.registry import Registry

EXAMPLES = 6
LONGEST = timedelta(seconds=20)


def check(operation: APIOperation, headers: dict[str, str]) -> None:
    """Ask for all kinds of things that fit the description, and some that do not quite."""

    @given(case=operation.as_strategy())
    @settings(
        max_examples=EXAMPLES, deadline=LONGEST, derandomize=True, database=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    def ask(case: schemathesis.Case) -> None:
        case.call_and_validate(headers=headers, checks=[not_a_server_error])

    ask()


def test_no_request_makes_the_registry_fail(server: Registry) -> None:
    server.publish()
    schema = schemathesis.openapi.from_asgi("/openapi.json", server.client.app)
    operations = [found.ok() for found in schema.get_all_operations()]
    assert len(operations) > 50
    for operation in operations:
        check(operation, server.admin())

"""Requests made up from the server's own description: whatever comes in, the server answers in order."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.core import NOT_SET

from tests.support.live_server import LiveServer, make_host, serving

EXAMPLES = 12
PACK = Path(__file__).parents[2] / "support" / "packs" / "g2_testpack"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A server whose jobs fuzzing may fill with anything."""
    host = make_host(tmp_path_factory.mktemp("base"), safe_mode=False, packs=("g2_testpack",), pack_dirs=(PACK,))
    with serving(host) as running:
        yield running


def test_no_request_that_the_description_allows_or_nearly_allows_breaks_the_server(server: LiveServer) -> None:
    schema = schemathesis.openapi.from_dict(server.get("/openapi.json").json)
    schema.config.update(base_url=f"http://127.0.0.1:{server.port}")
    operations = [found.ok() for found in schema.get_all_operations()]
    assert len(operations) > 50
    for operation in operations:
        cases = st.one_of(
            operation.as_strategy(),
            operation.as_strategy(generation_mode=schemathesis.GenerationMode.NEGATIVE),
        )

        @settings(
            max_examples=EXAMPLES,
            database=None,
            deadline=None,
            derandomize=True,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=cases)
        def asked(case: schemathesis.Case) -> None:
            answer = case.call()
            assert answer.status_code < 500, (case.method, case.formatted_path, case.body is not NOT_SET, answer.text)

        asked()
    assert server.get("/healthz").status == 200

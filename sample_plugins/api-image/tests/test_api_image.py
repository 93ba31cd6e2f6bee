"""The node against an API on this machine: polling, progress, cancelling, and everything that can go wrong."""

from __future__ import annotations

import inspect

import pytest
import torch  # noqa: TID253 - the node gives an image
from api_image.nodes import api_image
from api_image.settings import BadSettings, read_settings
from job_server import JobServer

from sdk import Cancelled, NodeError
from sdk.testing import FakeContext, run_node

SMALL = {"width": 64, "height": 72}


def test_a_picture_is_ordered_waited_for_and_fetched(server: JobServer) -> None:
    context = FakeContext()
    (image,) = run_node(api_image, context, prompt="a cat", seed=3, **SMALL).outputs
    assert tuple(image.shape) == (1, 72, 64, 3)
    assert torch.equal(image[0, 0, 0], torch.tensor([1.0, 0, 0]))
    assert server.orders == [{"prompt": "a cat", "width": 64, "height": 72, "seed": 3, "model": "default"}]
    assert server.keys == {"Bearer a-key"}
    reported = [value for value, total in context.progressed if total == 100]
    assert reported == sorted(reported)
    assert {0, 25, 75, 100} <= set(reported)
    assert not any(line.startswith("DELETE") for line in server.seen)


def test_the_node_is_asynchronous_so_that_others_run_meanwhile() -> None:
    assert inspect.iscoroutinefunction(api_image.run)
    assert api_image.thread_safe


def test_a_cancelled_job_is_called_off_at_the_api(server: JobServer) -> None:
    server.states = [{"state": "running", "progress": 0.5}]
    with pytest.raises(Cancelled):
        run_node(api_image, FakeContext(cancel_after=2), **SMALL)
    assert server.seen[-1] == "DELETE /v1/jobs/7"


def test_a_job_that_fails_says_why(server: JobServer) -> None:
    server.states = [{"state": "failed", "error": "the prompt was refused"}]
    with pytest.raises(NodeError, match="could not make the picture: the prompt was refused"):
        run_node(api_image, **SMALL)


def test_a_job_that_takes_too_long_is_called_off(server: JobServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("API_IMAGE_TIMEOUT", "0")
    server.states = [{"state": "running"}]
    with pytest.raises(NodeError, match="not there after 0 seconds; the job was called off"):
        run_node(api_image, **SMALL)
    assert server.seen[-1] == "DELETE /v1/jobs/7"


@pytest.mark.parametrize(
    ("refusal", "said"),
    [((401, {"error": "wrong key"}), "answered 401: wrong key"), ((200, b"<html>"), "answered 200: <html>")],
)
def test_a_refusal_is_passed_on(refusal: tuple[int, object], said: str, server: JobServer) -> None:
    server.refusal = refusal
    with pytest.raises(NodeError, match=said):
        run_node(api_image, **SMALL)


@pytest.mark.parametrize("address", ["http://elsewhere.example/1.png", "https://127.0.0.1/1.png", "//evil.example/x"])
def test_pictures_on_other_servers_are_not_fetched_with_the_key(address: str, server: JobServer) -> None:
    server.states = [{"state": "done", "image": address}]
    with pytest.raises(NodeError, match="names a picture on another server"):
        run_node(api_image, **SMALL)


def test_what_is_no_picture_is_an_error(server: JobServer) -> None:
    server.file = b"not a picture"
    with pytest.raises(NodeError, match="is no picture"):
        run_node(api_image, **SMALL)
    server.file = b""
    with pytest.raises(NodeError, match="the API answered 404"):
        run_node(api_image, **SMALL)


def test_nobody_there_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("API_IMAGE_URL", "http://127.0.0.1:9")
    with pytest.raises(NodeError, match="The API can't be reached"):
        run_node(api_image, **SMALL)


@pytest.mark.parametrize("missing", ["API_IMAGE_URL", "API_IMAGE_KEY"])
def test_nothing_is_asked_without_address_and_key(
    missing: str, server: JobServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(missing)
    with pytest.raises(NodeError, match="Set API_IMAGE_URL to the address of the API and API_IMAGE_KEY to your key"):
        run_node(api_image, **SMALL)
    assert server.seen == []


def test_a_time_that_is_no_number_is_refused() -> None:
    with pytest.raises(BadSettings, match="API_IMAGE_TIMEOUT is a number"):
        read_settings({"API_IMAGE_URL": "http://x", "API_IMAGE_KEY": "k", "API_IMAGE_TIMEOUT": "soon"})

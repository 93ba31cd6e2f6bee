"""The API's jobs: order one, ask how far it is, fetch the picture, or call it off.

``POST /jobs`` answers 202 with ``{"id", "poll_after"}``; ``GET /jobs/<id>`` with ``{"state": "queued" | "running" |
"done" | "failed", "progress": 0..1, "image": path, "error": text, "poll_after": seconds}``; ``DELETE /jobs/<id>`` ends
a job. It knows nothing of nodes.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin, urlsplit

import httpx

from api_image.settings import Settings

LARGEST_PICTURE = 64 * 1024 * 1024
_REQUEST_SECONDS = 30
_SHORTEST_POLL, _LONGEST_POLL = 0.01, 10.0
_NAP = 0.1
_FAILURES_IN_A_ROW = 3


class JobFailed(Exception):
    """The API did not make the picture; the sentence says why."""


@dataclass(frozen=True)
class State:
    """How far a job is; ``image`` is its picture's address once it is done."""

    name: str
    progress: float = 0.0
    image: str = ""
    error: str = ""
    poll_after: float = 1.0


Report = Callable[[float], None]
"""Told how far a job is, 0..1, and while it waits; may raise to call the job off."""


async def make_picture(settings: Settings, order: Mapping[str, Any], report: Report) -> bytes:
    """Order a picture and wait for it; gives the file.

    Whatever ``report`` raises calls the job off at the API, and goes on to the caller.

    Raises:
        JobFailed: the API refuses, fails, takes too long, or answers something else.
    """
    headers = {"Authorization": f"Bearer {settings.key}"}
    async with httpx.AsyncClient(timeout=_REQUEST_SECONDS, headers=headers) as client:
        api = _Api(client, settings)
        job, pause = await api.order(order)
        try:
            state = await _finished(api, job, pause, report)
        except BaseException:
            await api.call_off(job)
            raise
        return await api.fetch(state.image)


async def _finished(api: _Api, job: str, pause: float, report: Report) -> State:
    ends = time.monotonic() + api.settings.patience
    failures = 0
    state = State("queued", poll_after=pause)
    while True:
        await _wait(state.poll_after, lambda: report(state.progress))  # noqa: B023 - called before it changes
        try:
            state, failures = await api.state(job), 0
        except httpx.TransportError as error:
            failures += 1
            if failures == _FAILURES_IN_A_ROW:
                raise JobFailed(f"The API can't be reached any more ({error or type(error).__name__}).") from error
        if state.name == "failed":
            raise JobFailed(f"The API could not make the picture: {state.error or 'it gives no reason'}.")
        if state.name == "done":
            report(1.0)
            return state
        if time.monotonic() > ends:
            raise JobFailed(
                f"The picture was not there after {api.settings.patience:g} seconds; the job was called off."
            )


async def _wait(seconds: float, notice: Callable[[], None]) -> None:
    """Wait in small pieces, so that a cancelled job ends soon."""
    ends = time.monotonic() + min(max(seconds, _SHORTEST_POLL), _LONGEST_POLL)
    while (left := ends - time.monotonic()) > 0:
        notice()
        await asyncio.sleep(min(left, _NAP))


@dataclass(frozen=True)
class _Api:
    client: httpx.AsyncClient
    settings: Settings

    async def order(self, order: Mapping[str, Any]) -> tuple[str, float]:
        """(the job's id, when to ask for it)."""
        try:
            answer = await self.client.post(f"{self.settings.address}/jobs", json=dict(order))
        except httpx.HTTPError as error:
            raise JobFailed(f"The API can't be reached ({error or type(error).__name__}).") from error
        data = _object(answer, 202)
        return str(data["id"]), float(data.get("poll_after", 1.0))

    async def state(self, job: str) -> State:
        data = _object(await self.client.get(f"{self.settings.address}/jobs/{job}"), 200)
        return State(
            name=str(data.get("state", "")),
            progress=min(max(float(data.get("progress", 0.0)), 0.0), 1.0),
            image=str(data.get("image", "")),
            error=str(data.get("error", "")),
            poll_after=float(data.get("poll_after", 1.0)),
        )

    async def fetch(self, address: str) -> bytes:
        """The picture; only from the API's own server, since the key goes along."""
        whole = urljoin(f"{self.settings.address}/", address)
        if urlsplit(whole)[:2] != urlsplit(self.settings.address)[:2]:
            raise JobFailed(f"The API names a picture on another server ({whole}), which is not fetched.")
        parts, size = [], 0
        try:
            async with self.client.stream("GET", whole) as answer:
                if answer.status_code != 200:
                    raise JobFailed(f"The picture can't be fetched: the API answered {answer.status_code}.")
                async for part in answer.aiter_bytes():
                    size += len(part)
                    if size > LARGEST_PICTURE:
                        raise JobFailed(f"The picture is larger than {LARGEST_PICTURE} bytes.")
                    parts.append(part)
        except httpx.HTTPError as error:
            raise JobFailed(f"The picture can't be fetched ({error or type(error).__name__}).") from error
        return b"".join(parts)

    async def call_off(self, job: str) -> None:
        """As well as it goes: the caller has an error to pass on already."""
        try:
            await self.client.delete(f"{self.settings.address}/jobs/{job}")
        except httpx.HTTPError:
            return


def _object(answer: httpx.Response, expected: int) -> dict[str, Any]:
    try:
        data = answer.json()
    except ValueError:
        data = None
    if answer.status_code != expected or not isinstance(data, dict):
        said = data.get("error", "") if isinstance(data, dict) else answer.text[:200]
        raise JobFailed(f"The API answered {answer.status_code}: {said}".rstrip(": ") + ".")
    return data

"""A client for the chat endpoint of the OpenAI format, with retries; it knows nothing of nodes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import httpx

from prompt_enhancer.settings import Settings

ATTEMPTS = 4
_RETRIED = frozenset({408, 409, 429, 500, 502, 503, 504})
_LONGEST_WAIT = 30.0
_SHOWN = 300

Wait = Callable[[float], None]
"""Waits so many seconds; may raise to give up."""


class ChatFailed(Exception):
    """The endpoint gave no usable answer; the sentence says what it said and how often it was asked."""


@dataclass(frozen=True)
class Answer:
    """What the model wrote, and the tokens it took."""

    texts: tuple[str, ...]
    model: str
    tokens_read: int
    tokens_written: int

    def cost(self, prices: tuple[float, float] | None) -> float | None:
        """US dollars, by the prices of a million tokens; None where they are not known."""
        if prices is None:
            return None
        return (self.tokens_read * prices[0] + self.tokens_written * prices[1]) / 1e6


@dataclass(frozen=True)
class Request:
    """What is asked.

    Attributes:
        count: how many answers are wanted.
        most_tokens: of each of them.
    """

    instructions: str
    text: str
    model: str
    temperature: float
    seed: int
    count: int = 1
    most_tokens: int = 300

    def body(self) -> dict[str, Any]:
        """As the format has it."""
        return {
            "model": self.model,
            "messages": [
                {"role": "system", "content": self.instructions},
                {"role": "user", "content": self.text},
            ],
            "temperature": self.temperature,
            "max_tokens": self.most_tokens,
            "seed": self.seed % 2**31,
            "n": self.count,
        }


def ask(settings: Settings, request: Request, wait: Wait) -> Answer:
    """The model's answer. Busy or broken servers are asked again, a little later each time.

    Raises:
        ChatFailed: the endpoint refuses, can't be reached, or answers something else; and what ``wait`` raises.
    """
    headers = {"Authorization": f"Bearer {settings.key}"} if settings.key else {}
    problem = ""
    with httpx.Client(timeout=settings.timeout, headers=headers) as client:
        for attempt in range(ATTEMPTS):
            try:
                response = client.post(f"{settings.address}/chat/completions", json=request.body())
            except httpx.TransportError as error:
                problem, pause = str(error) or type(error).__name__, _backoff(attempt)
            else:
                if response.status_code == 200:
                    return _read(response)
                problem = f"{response.status_code}: {_message(response)}"
                if response.status_code not in _RETRIED:
                    raise ChatFailed(f"{settings.address} refuses the request ({problem}).")
                pause = _asked_pause(response) or _backoff(attempt)
            if attempt + 1 < ATTEMPTS:
                wait(min(pause, _LONGEST_WAIT))
    raise ChatFailed(f"{settings.address} did not answer in {ATTEMPTS} attempts; the last one gave: {problem}.")


def _backoff(attempt: int) -> float:
    return 0.5 * 2.0**attempt


def _asked_pause(response: httpx.Response) -> float:
    """The pause that the server asks for; 0 where it names none in seconds."""
    said = response.headers.get("Retry-After", "")
    return float(said) if said.replace(".", "", 1).isdecimal() else 0.0


def _message(response: httpx.Response) -> str:
    try:
        return str(response.json()["error"]["message"])[:_SHOWN]
    except (ValueError, KeyError, TypeError):
        return response.text[:_SHOWN]


def _read(response: httpx.Response) -> Answer:
    try:
        data = response.json()
        texts = _texts(data["choices"])
        usage = data.get("usage") or {}
        read, written = int(usage.get("prompt_tokens", 0)), int(usage.get("completion_tokens", 0))
        return Answer(texts, str(data.get("model", "")), read, written)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ChatFailed(f"The endpoint's answer has another form than the OpenAI format: {error!r}.") from error


def _texts(choices: Sequence[Any]) -> tuple[str, ...]:
    texts = tuple(str(choice["message"]["content"]).strip() for choice in choices)
    if not texts or not all(texts):
        raise ValueError("there is an empty answer")
    return texts

"""Where the endpoint is and what it may cost: from the environment, never from a workflow.

A workflow comes from anybody. If it could name the address, it could have the key sent there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

ADDRESS, KEY, MODEL = "PROMPT_ENHANCER_URL", "PROMPT_ENHANCER_KEY", "PROMPT_ENHANCER_MODEL"
TIMEOUT, PRICES = "PROMPT_ENHANCER_TIMEOUT", "PROMPT_ENHANCER_PRICES"


class BadSettings(ValueError):
    """A variable is missing or can't be read; the sentence says which and what it should be."""


@dataclass(frozen=True)
class Settings:
    """How to reach the endpoint.

    Attributes:
        address: of the API, up to and with ``/v1``.
        timeout: for one answer, in seconds.
        prices: US dollars for a million tokens, read and written; None where nobody said.
    """

    address: str
    key: str = ""
    model: str = ""
    timeout: float = 60.0
    prices: tuple[float, float] | None = None


def read_settings(environment: Mapping[str, str]) -> Settings:
    """The settings in the environment.

    Raises:
        BadSettings: the address is missing, or a number is none.
    """
    address = environment.get(ADDRESS, "").strip().rstrip("/")
    if not address.startswith(("http://", "https://")):
        raise BadSettings(
            f"Set {ADDRESS} to the address of an API in the OpenAI format, such as http://127.0.0.1:11434/v1."
        )
    try:
        timeout = float(environment.get(TIMEOUT, "60"))
        prices = _prices(environment.get(PRICES, ""))
    except ValueError as error:
        raise BadSettings(f"{TIMEOUT} is a number of seconds, {PRICES} two numbers such as 0.15,0.60.") from error
    return Settings(address, environment.get(KEY, ""), environment.get(MODEL, ""), timeout, prices)


def _prices(text: str) -> tuple[float, float] | None:
    if not text.strip():
        return None
    read, written = text.split(",")
    return float(read), float(written)

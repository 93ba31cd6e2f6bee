"""Where the API is: from the environment, never from a workflow, which could have the key sent elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

ADDRESS, KEY, PATIENCE = "API_IMAGE_URL", "API_IMAGE_KEY", "API_IMAGE_TIMEOUT"


class BadSettings(ValueError):
    """A variable is missing or can't be read; the sentence says which and what it should be."""


@dataclass(frozen=True)
class Settings:
    """How to reach the API; ``patience`` is how long a picture may take, in seconds."""

    address: str
    key: str
    patience: float = 300.0


def read_settings(environment: Mapping[str, str]) -> Settings:
    """The settings in the environment.

    Raises:
        BadSettings: the address or the key is missing, or the time is no number.
    """
    address, key = environment.get(ADDRESS, "").strip().rstrip("/"), environment.get(KEY, "").strip()
    if not address.startswith(("http://", "https://")) or not key:
        raise BadSettings(f"Set {ADDRESS} to the address of the API and {KEY} to your key.")
    try:
        patience = float(environment.get(PATIENCE, "300"))
    except ValueError as error:
        raise BadSettings(f"{PATIENCE} is a number of seconds.") from error
    return Settings(address, key, patience)

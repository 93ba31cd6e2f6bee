"""Fetches a file: from allowed hosts, up to a size, with the hash it should have; it appears complete or not at all."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urljoin

import httpx

from data_pipeline.rules import Rules
from sdk.whole_files import whole_file

_REDIRECTS = 5
_TIMEOUT = httpx.Timeout(60, connect=15)

Report = Callable[[int, int], None]
"""Told how many bytes are there, and how many there will be; may raise to end the download."""


class DownloadFailed(Exception):
    """A file was not fetched; the sentence says why. Nothing is left of it."""


def download(address: str, target: Path, rules: Rules, *, sha256: str = "", report: Report) -> str:
    """Fetch a file to ``target``; gives its sha256 in hexadecimal digits.

    Each redirect has to lead to an allowed host, too. Environment variables for proxies are heeded.

    Raises:
        NotAllowed: the address, or where it leads, may not be fetched.
        DownloadFailed: the server refuses, the file is too large, or has another hash.
    """
    digest, size = hashlib.sha256(), 0
    try:
        with httpx.Client(timeout=_TIMEOUT) as client, _answer(client, address, rules) as answer:
            total = int(answer.headers.get("Content-Length") or 0)
            _check_size(total, rules)
            with whole_file(target) as path, path.open("xb") as file:
                for part in answer.iter_bytes():
                    size += len(part)
                    _check_size(size, rules)
                    digest.update(part)
                    file.write(part)
                    report(size, max(total, size))
                found = digest.hexdigest()
                if sha256 and found != sha256.lower():
                    raise DownloadFailed(f"the file's sha256 is {found} and should be {sha256.lower()}")
    except httpx.HTTPError as error:
        raise DownloadFailed(f"{address} can't be fetched ({error or type(error).__name__})") from error
    return found


@contextmanager
def _answer(client: httpx.Client, address: str, rules: Rules) -> Iterator[httpx.Response]:
    """The answer behind all redirects, opened."""
    for _ in range(_REDIRECTS + 1):
        rules.check(address)
        with client.stream("GET", address) as answer:
            if not answer.has_redirect_location:
                if answer.status_code != 200:
                    raise DownloadFailed(f"{address} answers {answer.status_code} {answer.reason_phrase}")
                yield answer
                return
            address = urljoin(address, answer.headers["Location"])
    raise DownloadFailed(f"more than {_REDIRECTS} redirects, the last to {address}")


def _check_size(size: int, rules: Rules) -> None:
    if size > rules.largest:
        raise DownloadFailed(f"the file is larger than the {rules.largest} bytes that are allowed")

"""Reads weights while their module is being built."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from host.models.errors import ModelFileError
from host.models.files.weights import WeightFile

WORTHWHILE = 1 << 24
"""Fewer bytes are read faster than a thread is started."""

AT_A_TIME = 64
"""So many tensors are read before it looks whether to go on: it may have to wait for its turn then."""


class ReadAhead:
    """Has a file's tensors read in a thread of its own, from when it is made.

    What can't be read is for ``wait`` to say.
    """

    def __init__(self, file: WeightFile, keys: Sequence[str]) -> None:
        self._file, self._keys = file, keys
        self._error: ModelFileError | None = None
        self._asked_to_stop = threading.Event()
        self._thread = threading.Thread(target=self._read, name="read-ahead", daemon=True)
        self._thread.start()

    @property
    def given_up(self) -> bool:
        """Whether what has not been read yet is left."""
        return self._asked_to_stop.is_set()

    def wait(self) -> None:
        """Until all is read; raises the ModelFileError for what can't be."""
        self._thread.join()
        if self._error is not None:
            raise self._error

    def give_up(self) -> None:
        """Leave what has not been read yet."""
        self._asked_to_stop.set()
        self._thread.join()

    def _read(self) -> None:
        for start in range(0, len(self._keys), AT_A_TIME):
            if self.given_up:
                return
            try:
                self._file.prefetch(*self._keys[start : start + AT_A_TIME])
            except ModelFileError as error:
                self._error = error
                return

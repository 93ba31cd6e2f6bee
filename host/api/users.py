"""Who uses the front end: one user, or several who each keep files and settings of their own."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Mapping
from threading import Lock
from typing import TYPE_CHECKING

from host.api import uploads
from host.api.answers import dumps
from host.api.user_files import UserFiles

if TYPE_CHECKING:
    from starlette.requests import Request

    from host.folders import LocalFolders

HEADER = "comfy-user"
LIST = "users.json"
LONGEST_NAME = 100


class UnknownUser(Exception):
    """A request of a user that nobody has added; answered with 401."""

    def __init__(self, user: str) -> None:
        super().__init__(user)
        self.user = user

    def __str__(self) -> str:
        return f"There is no user {self.user!r:.100}. POST /users adds one; the header Comfy-User says who asks."


class BadUser(Exception):
    """A user that can't be added; answered with 400."""


class Users:
    """The users of one server. One lock guards their list, a JSON file beside their folders.

    Args:
        several: keep users apart; else everything belongs to the one called ``default``.
    """

    def __init__(self, folders: LocalFolders, *, several: bool = False) -> None:
        self.several = several
        self._folders, self._lock = folders, Lock()
        self._files: dict[str, UserFiles] = {}

    def names(self) -> dict[str, str]:
        """Names by id.

        Raises:
            ValueError: the list was changed from outside, so that it can't be read.
        """
        try:
            said = json.loads((self._folders.root("user") / LIST).read_bytes())
        except FileNotFoundError:
            return {}
        return {str(user): str(name) for user, name in said.items()} if isinstance(said, Mapping) else {}

    def add(self, name: object) -> str:
        """The id of a new user.

        Raises:
            BadUser: it is no name, or somebody has it.
        """
        if not isinstance(name, str) or not name.strip() or len(name) > LONGEST_NAME or not name.isprintable():
            raise BadUser("username not provided")
        name = name.strip()
        with self._lock:
            known = self.names()
            if name in known.values():
                raise BadUser("Duplicate username.")
            user = f"{re.sub(r'[^A-Za-z0-9-]+', '_', name).strip('_') or 'user'}_{uuid.uuid4()}"
            uploads.replace(self._folders.root("user") / LIST, dumps({**known, user: name}).encode())
        return user

    def files(self, request: Request) -> UserFiles:
        """What the user of this request keeps here; raises UnknownUser."""
        user = request.headers.get(HEADER, "") if self.several else "default"
        if self.several and user not in self.names():
            raise UnknownUser(user)
        with self._lock:
            return self._files.setdefault(user, UserFiles(self._folders, user))

"""``comfy-nodes api-key``: makes a key that lets requests in."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sdk.web import Scope

EXAMPLE = "Example: comfy-nodes api-key laptop --file keys.toml; comfy-nodes serve --api-key-file keys.toml"

Name = Annotated[str, typer.Argument(help="What the key is called, such as laptop.", metavar="NAME")]
File = Annotated[
    Path,
    typer.Option("--file", metavar="FILE", dir_okay=False, help="Where keys are kept, for `serve --api-key-file`."),
]
Scopes = Annotated[
    list[Scope] | None,
    typer.Option("--scope", help="What it allows; run includes read, admin everything. May be repeated."),
]


def api_key(name: Name, file: File = Path("api-keys.toml"), scope: Scopes = None) -> None:
    """Make an API key, print it once, and keep its hash in a file."""
    from host.api.access.api_keys import add_key

    print(add_key(file, name, scope or [Scope.RUN]))

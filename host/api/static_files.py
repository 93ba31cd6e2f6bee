"""Static files with the content types and cache headers that browsers need, whatever the system's tables say."""

from __future__ import annotations

import os
from collections.abc import Mapping

from starlette.responses import FileResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from host.api.media_types import media_type

ALWAYS_ASKED = (".js", ".mjs", ".css", ".html", "index.json")
PICTURES = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".svg", ".ico", ".avif")


class WebFiles(StaticFiles):
    """Files of a folder, or of several that are searched in order (``all_directories``)."""

    def file_response(
        self, full_path: str | os.PathLike[str], stat_result: os.stat_result, scope: Scope, status_code: int = 200
    ) -> Response:
        response = super().file_response(full_path, stat_result, scope, status_code)
        name = os.path.basename(full_path)
        response.headers.update(_cache_headers(name))
        if isinstance(response, FileResponse):
            response.headers["Content-Type"] = media_type(name)
        return response


def _cache_headers(name: str) -> Mapping[str, str]:
    if name == "index.html":
        return {"Cache-Control": "no-cache", "Pragma": "no-cache", "Expires": "0"}
    if name.endswith(ALWAYS_ASKED):
        return {"Cache-Control": "no-cache"}
    return {"Cache-Control": "public, max-age=86400"} if name.endswith(PICTURES) else {}

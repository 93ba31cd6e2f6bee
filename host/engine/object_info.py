"""Describes nodes to clients: the entries of ``/object_info``; ``sdk`` defines them, since packs ship them too."""

from sdk.object_info import describe, object_info

__all__ = ["describe", "object_info"]

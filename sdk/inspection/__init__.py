"""What nodes a pack has, read from its source code without running any of it."""

from sdk.inspection.code_hash import code_hash, signature
from sdk.inspection.facts import Inspection, NodeFacts, Unread
from sdk.inspection.packs import inspect_pack

__all__ = ["Inspection", "NodeFacts", "Unread", "code_hash", "inspect_pack", "signature"]

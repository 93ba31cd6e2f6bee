"""A test kit for pack authors: run nodes, load a pack, call its hooks, stand in for the host.

    from sdk.testing import run_node

    def test_full_strength_replaces_the_image():
        assert run_node(tint, image=grey, strength=1.0).outputs[0] is not grey

It needs neither a host nor torch nor pytest.
"""

from sdk.testing.contexts import FakeCancelToken, FakeContext
from sdk.testing.folders import FakeFolders
from sdk.testing.jobs import FakeJob
from sdk.testing.loading import LoadedPack, load_pack
from sdk.testing.models import FakeModels
from sdk.testing.packs import write_pack
from sdk.testing.review import check_node
from sdk.testing.running import NodeUnderTest, map_node, run_node

__all__ = [
    "FakeCancelToken",
    "FakeContext",
    "FakeFolders",
    "FakeJob",
    "FakeModels",
    "LoadedPack",
    "NodeUnderTest",
    "check_node",
    "load_pack",
    "map_node",
    "run_node",
    "write_pack",
]

"""A test kit for pack authors: run one node, make a pack in a folder, stand in for the host.

    from sdk.testing import run_node

    def test_full_strength_replaces_the_image():
        assert run_node(tint, image=grey, strength=1.0).outputs[0] is not grey

It needs neither a host nor torch nor pytest.
"""

from sdk.testing.contexts import FakeCancelToken, FakeContext, FakeFolders
from sdk.testing.models import FakeModels
from sdk.testing.packs import write_pack
from sdk.testing.running import run_node

__all__ = ["FakeCancelToken", "FakeContext", "FakeFolders", "FakeModels", "run_node", "write_pack"]

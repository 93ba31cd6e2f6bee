"""Packs that can't share Python packages, each in its own process: planned, installed, imported and locked."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from host.isolation.process import IsolatedPack
from host.isolation.proxies import load_isolated
from registry_client.client import Client
from registry_client.errors import BadRequirement, DuplicateNodes, ImportFailed, ShadowsHost
from registry_client.lockfile import decode_lock, differences, encode_lock
from registry_client.planning import Plan
from registry_client.requests import Request
from registry_client.requirements import read_wanted
from registry_client.resolution.no_solution import NoSolution
from sdk.workspace import Generation, read_generation
from tests.support.registry_client import client
from tests.support.registry_folder import RegistryFolder, write_wheel

OLD, NEW = "0.4.1", "3.0.0"


@pytest.fixture
def registry(tmp_path: Path) -> RegistryFolder:
    """Two variants of a pack that need other versions of one library; a third claims a node of the first."""
    for version in (OLD, NEW):
        write_wheel(tmp_path / "wheels", "grey-lib", version, {"grey_lib.py": f"VERSION = {version!r}\n"})
    made = RegistryFolder(tmp_path / "registry")
    for pack_id, wanted in (("old-grey", "grey-lib<1"), ("new-grey", "grey-lib>=3")):
        node = pack_id.title().replace("-", "")
        made.publish_pack(pack_id, "1.0", nodes=[node], dependencies=(wanted,), imports="import grey_lib")
    made.publish_pack("grey-thief", "1.0", nodes=["OldGrey"], dependencies=("grey-lib>=3",))
    return made


@pytest.fixture
def one(registry: RegistryFolder, tmp_path: Path) -> Client:
    return client(tmp_path, registry, find_links=(str(tmp_path / "wheels"),), offline=True)


def request(*names: str, **facts: object) -> Request:
    return Request(add=tuple(read_wanted(name, Path()) for name in names), **facts)  # type: ignore[arg-type]


def do(one: Client, wanted: Request, *, check: bool = False) -> tuple[Plan, Generation | None]:
    with one.changing():
        plan = one.plan(wanted)
        return plan, one.apply(plan, "test", import_check=check)


def versions(one: Client) -> set[tuple[str, str, str]]:
    return {(wheel.pack, wheel.name, wheel.version) for wheel in one.lock().wheels}


def test_packs_that_disagree_are_refused_and_told_how_to_be_isolated(one: Client) -> None:
    with pytest.raises(NoSolution, match="--isolate old-grey"):
        one.plan(request("old-grey", "new-grey"))


def test_an_isolated_pack_has_python_packages_of_its_own(one: Client, tmp_path: Path) -> None:
    plan, _ = do(one, request("old-grey", "new-grey", isolate=("old-grey",)), check=True)
    assert versions(one) == {("", "grey-lib", NEW), ("old-grey", "grey-lib", OLD)}
    assert ("old-grey", "", "1.0 (isolated)") in plan.changes
    generation = read_generation(tmp_path / "base")
    assert generation is not None
    (old,) = [pack for pack in generation.packs if pack.isolated]
    assert old.id == "old-grey"
    assert old.site in generation.sites
    assert (old.site / "grey_lib.py").read_text() == f"VERSION = {OLD!r}\n"


def test_each_pack_imports_the_version_it_needs(one: Client, registry: RegistryFolder, tmp_path: Path) -> None:
    asks = f"import grey_lib\nassert grey_lib.VERSION == {OLD!r}, grey_lib.VERSION"
    registry.publish_pack("old-grey", "1.1", nodes=["OldGrey"], dependencies=("grey-lib<1",), imports=asks)
    do(one, request("old-grey", "new-grey", isolate=("old-grey",)), check=True)
    generation = read_generation(tmp_path / "base")
    assert generation is not None
    (old,) = [pack for pack in generation.packs if pack.isolated]
    own = IsolatedPack(id=old.id, version=old.version, folder=old.folder, site=old.site, shared_site=generation.site)
    plugin = load_isolated(own)["isolated"]
    assert [node.id for node in plugin.register_nodes()] == ["OldGrey"]
    plugin.process.end()


def test_the_hosts_own_version_is_no_limit_for_an_isolated_pack(one: Client) -> None:
    held = replace(one.facts, installed={**one.facts.installed, "grey-lib": "2.0"})
    one = Client(one.settings, facts=held)
    with pytest.raises(NoSolution, match=r"can't use the grey-lib 2\.0 of this host"):
        one.plan(request("old-grey"))
    do(one, request("old-grey", isolate=("old-grey",)))
    assert versions(one) == {("old-grey", "grey-lib", OLD)}


def test_what_the_host_has_in_a_fitting_version_is_not_installed_again(one: Client) -> None:
    held = replace(one.facts, installed={**one.facts.installed, "grey-lib": NEW})
    one = Client(one.settings, facts=held)
    do(one, request("new-grey", isolate=("new-grey",)))
    assert versions(one) == set()


def test_torch_is_the_hosts_even_then(one: Client, registry: RegistryFolder) -> None:
    registry.publish_pack("other-torch", "1.0", nodes=["Torch"], dependencies=("torch<2",))
    with pytest.raises(NoSolution, match="other-torch"):
        one.plan(request("other-torch", isolate=("other-torch",)))


def test_nothing_may_hide_what_every_process_needs(one: Client, registry: RegistryFolder, tmp_path: Path) -> None:
    write_wheel(tmp_path / "wheels", "thief-lib", "1.0", {"sdk/__init__.py": ""})
    registry.publish_pack("thief", "1.0", nodes=["Thief"], dependencies=("thief-lib",))
    with pytest.raises(ShadowsHost, match="sdk"):
        do(one, request("thief", isolate=("thief",)))
    assert one.workspace.current() is None


def test_isolation_does_not_settle_whose_a_node_is(one: Client) -> None:
    with pytest.raises(DuplicateNodes, match="OldGrey"):
        one.plan(request("old-grey", "grey-thief", isolate=("old-grey",)))
    plan = one.plan(request("old-grey", "grey-thief", isolate=("old-grey",), prefer=("grey-thief",)))
    assert plan.lock.owners == {"OldGrey": "grey-thief"}


def test_a_pack_stays_isolated_until_it_is_told_otherwise(one: Client) -> None:
    do(one, request("old-grey", isolate=("old-grey",)))
    do(one, Request(update=frozenset("*")))
    assert versions(one) == {("old-grey", "grey-lib", OLD)}
    do(one, Request(together=("old-grey",)))
    assert versions(one) == {("", "grey-lib", OLD)}
    assert not one.lock().require("old-grey").isolated


def test_only_packs_that_are_there_can_be_isolated(one: Client) -> None:
    with pytest.raises(BadRequirement, match="--isolate nothing"):
        one.plan(request("old-grey", isolate=("nothing",)))


def test_the_lock_says_what_is_isolated_and_brings_it_back_elsewhere(one: Client, tmp_path: Path) -> None:
    do(one, request("old-grey", "new-grey", isolate=("old-grey",)))
    lock = one.lock()
    assert decode_lock(encode_lock(lock), "test") == lock
    other = client(tmp_path / "other", find_links=one.settings.find_links, offline=True)
    with other.changing():
        other.sync(lock, "sync", import_check=False)
    assert other.lock() == lock
    together = lock.with_pack(replace(lock.require("old-grey"), isolated=False))
    assert differences(lock, together) == ["old-grey 1.0 is not isolated"]


def test_installing_says_which_hooks_an_isolated_pack_does_not_hear(
    one: Client, registry: RegistryFolder, caplog: pytest.LogCaptureFixture
) -> None:
    listener = "from sdk import hookimpl\n\n@hookimpl\ndef after_node(node_id):\n    pass\n"
    registry.publish_pack("listener", "1.0", nodes=["Listener"], imports=listener)
    do(one, request("listener"), check=True)
    assert "not told" not in caplog.text
    do(one, request("listener", isolate=("listener",)), check=True)
    assert "pack listener is isolated, so it is not told of what the host does (after_node)" in caplog.text


def test_a_pack_that_brings_what_only_the_host_can_use_is_not_installed_isolated(
    one: Client, registry: RegistryFolder
) -> None:
    sampler = (
        "from sdk import hookimpl\nfrom sdk.sampling import Sampler\n\n@hookimpl\ndef register_samplers():\n"
        "    return [Sampler(name='far', function=print)]\n"
    )
    registry.publish_pack("far", "1.0", nodes=["Far"], imports=sampler)
    with pytest.raises(ImportFailed, match=r"takes part in register_samplers[^$]*without --isolate"):
        do(one, request("far", isolate=("far",)), check=True)
    assert one.workspace.current() is None

"""The client as a whole, against registries that are folders, with a real host that imports the packs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from registry_client.client import Client
from registry_client.errors import (
    BadRequirement,
    DuplicateNodes,
    ImportFailed,
    InstallFailed,
    LockDiffers,
    NoRegistry,
    NotThere,
    Unreachable,
)
from registry_client.host_program import check_imports
from registry_client.lockfile import Lock, read_lock
from registry_client.planning import Plan
from registry_client.requests import ANY, Request
from registry_client.requirements import DirectSource, read_requirement
from registry_client.resolution.no_solution import NoSolution
from registry_client.sources import prepare
from sdk.registry import Deprecation, State, fold
from sdk.workspace import Generation, read_generation
from tests.support.registry_client import client
from tests.support.registry_folder import RegistryFolder, write_pack, write_wheel


@pytest.fixture
def registry(tmp_path: Path) -> RegistryFolder:
    made = RegistryFolder(tmp_path / "registry")
    made.publish_pack("acme-tint", "1.0", nodes=["Tint"])
    made.publish_pack("acme-tint", "1.1", nodes=["Tint", "Glow"])
    made.publish_pack("rival", "1.0", nodes=["Tint", "Rival"])
    made.publish_pack("needy", "1.0", nodes=["Needy"], packs=("acme-tint>=1",))
    return made


def request(*wanted: str, **more: Any) -> Request:
    return Request(add=tuple(map(read_requirement, wanted)), **more)


def do(one: Client, what: Request, direct: Iterable[Any] = (), *, check: bool = False) -> Plan:
    with one.changing():
        plan = one.plan(what)
        one.apply(plan, "test", direct=tuple(direct), import_check=check)
    return plan


def installed(one: Client) -> dict[str, str]:
    return {pack.id: pack.version for pack in one.lock().packs}


def test_packs_are_installed_with_what_they_need_and_their_imports_are_checked(
    registry: RegistryFolder, tmp_path: Path
) -> None:
    one = client(tmp_path, registry)
    do(one, request("needy"), check=True)
    assert installed(one) == {"acme-tint": "1.1", "needy": "1.0"}
    assert one.lock().require("acme-tint").requested == ""
    assert read_lock(tmp_path / "base" / "comfy-nodes.lock") == one.lock()


def test_installing_what_is_there_makes_no_generation(registry: RegistryFolder, tmp_path: Path) -> None:
    one = client(tmp_path, registry)
    do(one, request("needy"))
    do(one, request("needy"))
    assert one.workspace.numbers() == [1]


def test_a_plan_writes_nothing(registry: RegistryFolder, tmp_path: Path) -> None:
    one = client(tmp_path, registry)
    assert one.plan(request("needy")).changes == [("acme-tint", "", "1.1"), ("needy", "", "1.0")]
    assert read_generation(tmp_path / "base") is None
    assert not (tmp_path / "base" / "packs" / "store").exists()


def test_duplicate_nodes_stop_before_anything_is_written(registry: RegistryFolder, tmp_path: Path) -> None:
    one = client(tmp_path, registry)
    with pytest.raises(DuplicateNodes, match=r"node 'Tint': acme-tint 1\.1 and rival 1\.0"):
        do(one, request("acme-tint", "rival"))
    assert not (tmp_path / "base" / "packs" / "store").exists()


def test_a_preference_is_recorded_and_stays(registry: RegistryFolder, tmp_path: Path) -> None:
    one = client(tmp_path, registry)
    do(one, request("acme-tint", "rival", prefer=("rival",)), check=True)
    assert one.lock().owners == {"Tint": "rival"}
    do(one, request("needy"))
    assert one.lock().owners == {"Tint": "rival"}
    do(one, Request(drop=("rival",)))
    assert one.lock().owners == {}


def test_a_disabled_pack_claims_nothing_and_enabling_it_again_asks(registry: RegistryFolder, tmp_path: Path) -> None:
    one = client(tmp_path, registry)
    do(one, request("acme-tint", "rival", prefer=("rival",)))
    with one.changing():
        generation = one.set_enabled(["RIVAL"], False, "disable rival")
    assert isinstance(generation, Generation)
    assert [pack.enabled for pack in generation.packs] == [True, False]
    assert generation.owners == {}
    with one.changing(), pytest.raises(DuplicateNodes):
        one.set_enabled(["rival"], True, "enable rival")


def test_uninstalling_removes_what_nothing_else_needs(registry: RegistryFolder, tmp_path: Path) -> None:
    one = client(tmp_path, registry)
    do(one, request("needy"))
    with pytest.raises(NotThere, match="needy needs it"):
        do(one, Request(drop=("acme-tint",)))
    with pytest.raises(NotThere, match="no pack 'zz' is installed"):
        do(one, Request(drop=("zz",)))
    do(one, Request(drop=("needy",)))
    assert installed(one) == {}


def test_packs_are_removed_without_asking_any_registry_or_index(registry: RegistryFolder, tmp_path: Path) -> None:
    write_wheel(tmp_path / "wheels", "grey-lib", "1.0", {"grey_lib.py": ""})
    registry.publish_pack("grey", "1.0", nodes=["Grey"], dependencies=("grey-lib",))
    links = (str(tmp_path / "wheels"),)
    do(client(tmp_path, registry, find_links=links, offline=True), request("needy", "grey"))
    cut_off = client(tmp_path, offline=True)
    do(cut_off, Request(drop=("needy",)))
    assert installed(cut_off) == {"grey": "1.0"}
    assert [wheel.name for wheel in cut_off.lock().wheels] == ["grey-lib"]
    do(cut_off, Request(drop=("grey",)))
    assert cut_off.lock().wheels == ()


def test_a_pack_that_needs_no_python_packages_is_added_without_asking_an_index(
    registry: RegistryFolder, tmp_path: Path
) -> None:
    write_wheel(tmp_path / "wheels", "grey-lib", "1.0", {"grey_lib.py": ""})
    registry.publish_pack("grey", "1.0", nodes=["Grey"], dependencies=("grey-lib",))
    registry.publish_pack("dark", "1.0", nodes=["Dark"], dependencies=("grey-lib",))
    do(client(tmp_path, registry, find_links=(str(tmp_path / "wheels"),), offline=True), request("grey"))
    cut_off = client(tmp_path, registry, offline=True)
    do(cut_off, request("acme-tint"))
    assert installed(cut_off) == {"acme-tint": "1.1", "grey": "1.0"}
    assert [wheel.name for wheel in cut_off.lock().wheels] == ["grey-lib"]
    for more in (request("dark"), Request(update=frozenset({"grey"})), Request(isolate=("grey",))):
        with pytest.raises(Unreachable, match="index of Python packages"):
            do(client(tmp_path, registry, offline=True), more)


def test_what_is_installed_moves_only_when_it_is_updated(registry: RegistryFolder, tmp_path: Path) -> None:
    one = client(tmp_path, registry)
    do(one, request("acme-tint"))
    registry.publish_pack("acme-tint", "2.0", nodes=["Tint"])
    do(client(tmp_path, registry), request("needy"))
    assert installed(one)["acme-tint"] == "1.1"
    do(client(tmp_path, registry), Request(update=frozenset({fold("Acme_Tint")})))
    assert installed(one)["acme-tint"] == "2.0"


def test_rolling_back_is_a_switch_and_leaves_later_generations(registry: RegistryFolder, tmp_path: Path) -> None:
    one = client(tmp_path, registry)
    with pytest.raises(NotThere, match="no earlier generation"):
        one.rollback(None)
    do(one, request("acme-tint==1.0"))
    do(one, request("acme-tint==1.1"))
    with one.changing():
        assert one.rollback(None).number == 1
    assert installed(one) == {"acme-tint": "1.0"}
    with one.changing():
        one.rollback(2)
    assert installed(one) == {"acme-tint": "1.1"}
    do(one, request("rival", prefer=("rival",)))
    assert one.workspace.numbers() == [1, 2, 3]


def test_rolling_back_to_what_is_gone_is_refused(registry: RegistryFolder, tmp_path: Path) -> None:
    one = client(tmp_path, registry)
    do(one, request("acme-tint==1.0"))
    do(one, request("acme-tint==1.1"))
    for folder in one.workspace.generation(1).packs:
        folder.folder.rename(tmp_path / "away")
    with pytest.raises(InstallFailed, match="generation 1 lacks files of acme-tint"):
        one.rollback(1)


def test_a_lock_gives_the_same_elsewhere_without_any_registry_configured(
    registry: RegistryFolder, tmp_path: Path
) -> None:
    write_wheel(tmp_path / "wheels", "grey-lib", "1.0", {"grey_lib.py": ""})
    registry.publish_pack("grey", "1.0", nodes=["Grey"], dependencies=("grey-lib",), imports="import grey_lib")
    links = (str(tmp_path / "wheels"),)
    one = client(tmp_path, registry, find_links=links, offline=True)
    do(one, request("needy", "grey"), check=True)
    other = client(tmp_path / "other", find_links=links, offline=True)
    with other.changing():
        other.sync(one.lock(), "sync", import_check=False)
        assert other.sync(one.lock(), "sync") is None
    assert other.lock() == one.lock()
    older = replace(one.lock(), python="3.9")
    with client(tmp_path / "third", find_links=links).changing(), pytest.raises(LockDiffers, match=r"Python 3\.9"):
        client(tmp_path / "third", find_links=links).sync(older, "sync")


def test_a_pack_that_can_not_be_imported_is_not_installed(registry: RegistryFolder, tmp_path: Path) -> None:
    registry.publish_pack("broken", "1.0", nodes=["Broken"], imports="import missing_library")
    one = client(tmp_path, registry)
    with pytest.raises(ImportFailed, match="missing_library"):
        do(one, request("broken"), check=True)
    assert read_generation(tmp_path / "base") is None


def test_a_pack_made_for_comfyui_is_installed_under_its_own_name(tmp_path: Path) -> None:
    registry = RegistryFolder(tmp_path / "registry")
    code = (
        "class Old:\n    CATEGORY = 'x'\n    RETURN_TYPES = ('INT',)\n    FUNCTION = 'run'\n"
        "    @classmethod\n    def INPUT_TYPES(cls):\n        return {'required': {}}\n"
        "    def run(self):\n        return (1,)\n"
        "NODE_CLASS_MAPPINGS = {'Old Node': Old}\n"
    )
    manifest = '[project]\nname = "comfy-old"\nversion = "1.0"\n'
    files = {"pyproject.toml": manifest, "__init__.py": code}
    registry.publish_pack("comfy-old", "1.0", nodes=["Old Node"], files=files)
    one = client(tmp_path, registry)
    do(one, request("comfy-old"), check=True)
    generation = one.workspace.current()
    assert generation is not None
    assert check_imports(generation.folder).nodes == {"comfy-old": ("Old Node",)}


def test_an_import_that_ends_the_process_is_caught(registry: RegistryFolder, tmp_path: Path) -> None:
    registry.publish_pack("killer", "1.0", nodes=["Killer"], imports="import os\nos.abort()")
    with pytest.raises(ImportFailed, match="ended by signal 6"):
        do(client(tmp_path, registry), request("killer"), check=True)


def test_a_conflict_that_only_uv_sees_makes_an_older_version_be_taken(registry: RegistryFolder, tmp_path: Path) -> None:
    write_wheel(tmp_path / "wheels", "top-lib", "1.0", {"top_lib.py": ""}, ["deep-lib>=2"])
    write_wheel(tmp_path / "wheels", "deep-lib", "1.0", {"deep_lib.py": ""})
    write_wheel(tmp_path / "wheels", "deep-lib", "2.0", {"deep_lib.py": ""})
    registry.publish_pack("top", "1.0", nodes=["Top"])
    registry.publish_pack("top", "2.0", nodes=["Top"], dependencies=("top-lib",))
    registry.publish_pack("deep", "1.0", nodes=["Deep"], dependencies=("deep-lib<2",))
    one = client(tmp_path, registry, find_links=(str(tmp_path / "wheels"),), offline=False)
    settings = replace(one.settings, offline=False)
    one = Client(settings, facts=one.facts)
    one.__dict__["uv"] = replace(one.uv, offline=True)
    plan = one.plan(request("top", "deep"))
    assert {pack.id: pack.version for pack in plan.lock.packs} == {"deep": "1.0", "top": "1.0"}
    with pytest.raises(NoSolution, match=r"deep 1\.0") as caught:
        one.plan(request("top==2.0", "deep"))
    assert {who for who, _ in caught.value.causes[0].needs} == {"deep 1.0", "top 2.0"}
    assert "deep-lib" in caught.value.causes[0].detail


def test_a_folder_and_an_archive_are_installed_as_snapshots(registry: RegistryFolder, tmp_path: Path) -> None:
    folder = write_pack(tmp_path / "mine", "mine", "0.1", ["Mine"])
    one = client(tmp_path, registry)
    (tmp_path / "work").mkdir()
    prepared = prepare(DirectSource("folder", str(folder)), tmp_path / "work")
    do(one, Request(direct=(prepared,)), [prepared], check=True)
    assert one.lock().require("mine").source == str(folder)
    (folder / "pack_mine.py").write_text("changed")
    assert (
        "changed"
        not in (one.workspace.current() or pytest.fail("gone")).packs[0].folder.joinpath("pack_mine.py").read_text()
    )
    do(one, request("acme-tint"))
    assert installed(one) == {"acme-tint": "1.1", "mine": "0.1"}
    other = client(tmp_path / "other")
    with other.changing(), pytest.raises(InstallFailed, match="has changed since mine"):
        other.sync(one.lock(), "sync", import_check=False)
    assert other.lock() == Lock()


def test_a_direct_source_needs_no_registry(tmp_path: Path) -> None:
    folder = write_pack(tmp_path / "mine", "mine", "0.1", ["Mine"])
    prepared = prepare(DirectSource("folder", str(folder)), tmp_path)
    one = client(tmp_path)
    do(one, Request(direct=(prepared,)), [prepared])
    assert installed(one) == {"mine": "0.1"}
    with pytest.raises(NoRegistry):
        do(one, request("acme-tint"))


def test_what_a_user_should_know_is_said(registry: RegistryFolder, tmp_path: Path) -> None:
    registry.publish_pack(
        "odd",
        "1.0",
        state=State.YANKED,
        reason="bad colours",
        install_script=True,
        nodes_complete=False,
        deprecated=Deprecation(reason="old", replacement="acme-tint"),
    )
    warnings = "\n".join(client(tmp_path, registry).plan(request("odd==1.0")).warnings)
    for part in ("yanked (bad colours)", "deprecated: old; instead: acme-tint", "--allow-scripts odd", "not all nodes"):
        assert part in warnings
    allowed = client(tmp_path, registry).plan(request("odd==1.0", scripts=("odd",)))
    assert allowed.lock.require("odd").scripts
    assert "install.py" not in "\n".join(allowed.warnings)


def test_a_pack_stays_with_the_registry_that_it_came_from(registry: RegistryFolder, tmp_path: Path) -> None:
    do(client(tmp_path, registry), request("acme-tint"))
    intruder = RegistryFolder(tmp_path / "intruder", "intruder")
    intruder.publish_pack("acme-tint", "99.0", nodes=["Tint"])
    do(client(tmp_path, intruder, registry), Request(update=frozenset({ANY})))
    assert installed(client(tmp_path, registry)) == {"acme-tint": "1.1"}


def test_packs_with_the_same_code_are_reported_when_one_of_them_is_new(tmp_path: Path) -> None:
    registry = RegistryFolder(tmp_path / "registry")
    for pack_id, node in (("first", "Blur"), ("second", "Soften")):
        registry.publish_pack(pack_id, "1.0", nodes=[node])
        pack = registry.packs[pack_id]
        (released,) = pack.releases
        claims = tuple(replace(claim, code="c0de") for claim in released.nodes)
        registry.put(replace(pack, releases=(replace(released, nodes=claims),)))
    one = client(tmp_path, registry)
    do(one, request("first"))
    assert one.plan(request("second")).warnings == ("first 1.0 and second 1.0 have the same code for Blur (Soften)",)
    do(one, request("second"))
    assert one.plan(request("second")).warnings == ()


def test_a_folder_that_is_made_for_another_python_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    folder = write_pack(tmp_path / "mine", "mine", "1.0", ["Mine"])
    manifest = folder / "pyproject.toml"
    text = manifest.read_text(encoding="utf-8")
    manifest.write_text(text.replace('version = "1.0"', 'version = "1.0"\nrequires-python = ">=4"'), encoding="utf-8")
    one = client(tmp_path)
    source = prepare(DirectSource("folder", str(folder)), tmp_path)
    with pytest.raises(NoSolution, match=r"mine 1\.0 can't be chosen: it needs Python >=4, and this is 3\.11\.7"):
        one.plan(Request(direct=(source,)))


def test_python_packages_that_are_there_stay_until_an_update(registry: RegistryFolder, tmp_path: Path) -> None:
    registry.publish_pack("grey", "1.0", nodes=["Grey"], dependencies=("grey-lib",))
    registry.publish_pack("black", "1.0", nodes=["Black"], dependencies=("grey-lib",))
    write_wheel(tmp_path / "wheels", "grey-lib", "1.0", {"grey_lib.py": ""})
    one = client(tmp_path, registry, find_links=(str(tmp_path / "wheels"),), offline=True)
    do(one, request("grey"))
    write_wheel(tmp_path / "wheels", "grey-lib", "2.0", {"grey_lib.py": ""})
    do(one, request("black"))
    assert [wheel.version for wheel in one.lock().wheels] == ["1.0"]
    do(one, Request(update=frozenset({ANY})))
    assert [wheel.version for wheel in one.lock().wheels] == ["2.0"]


@pytest.mark.parametrize("damage", ["pointer", "pointer to nothing", "record", "lock"])
def test_what_the_message_about_a_damaged_record_advises_does_help(
    registry: RegistryFolder, tmp_path: Path, damage: str
) -> None:
    one = client(tmp_path, registry)
    do(one, request("acme-tint==1.0"))
    do(one, request("acme-tint==1.1"))
    wanted = read_lock(one.workspace.published_lock)

    def spoil() -> None:
        newest = one.workspace.generations / str(one.workspace.numbers()[-1])
        number = {"pointer": "x", "pointer to nothing": "99"}.get(damage, newest.name)
        one.workspace.pointer.write_text(number, encoding="ascii")
        if damage in ("record", "lock"):
            (newest / ("generation.json" if damage == "record" else "lock.toml")).write_text("{")

    spoil()
    with one.changing():
        assert one.sync(wanted, "sync", import_check=False) is not None
    assert one.lock() == wanted
    spoil()
    with one.changing():
        one.rollback(None)
    assert installed(one)["acme-tint"] in ("1.0", "1.1")


def test_a_pack_that_another_registry_has_too_is_named_with_the_way_to_get_it(tmp_path: Path) -> None:
    ours, public = RegistryFolder(tmp_path / "ours", "ours"), RegistryFolder(tmp_path / "public", "public")
    ours.publish_pack("acme-tint", "1.0", nodes=["Tint"])
    public.publish_pack("acme-tint", "9.0", nodes=["Tint"])
    one = client(tmp_path, ours, public)
    with pytest.raises(NoSolution) as caught:
        one.plan(request("acme-tint>=2"))
    (cause,) = caught.value.causes
    assert len(cause.elsewhere) == 1
    assert f"--pin acme-tint={cause.elsewhere[0]}" in str(caught.value)
    pinned = client(tmp_path / "pinned", ours, public, pins={"acme-tint": cause.elsewhere[0]})
    assert pinned.plan(request("acme-tint>=2")).changes == [("acme-tint", "", "9.0")]


def test_what_is_installed_is_never_too_new(registry: RegistryFolder, tmp_path: Path) -> None:
    registry.publish_pack("young", "1.0", nodes=["Young"])
    registry.publish_pack("young", "2.0", nodes=["Young"], published="2026-06-01T00:00:00Z")
    one = client(tmp_path, registry)
    do(one, request("young"))
    early = {"exclude_newer": datetime(2026, 2, 1, tzinfo=UTC)}
    assert one.plan(request("rival", **early)).changes == [("rival", "", "1.0")]
    assert one.plan(Request(update=frozenset({ANY}), **early)).changes == []  # type: ignore[arg-type]
    with pytest.raises(NoSolution, match="too new"):
        client(tmp_path / "other", registry).plan(request("young==2.0", **early))


def test_a_pack_that_others_need_stays_and_it_is_said(registry: RegistryFolder, tmp_path: Path) -> None:
    one = client(tmp_path, registry)
    do(one, request("needy", "acme-tint"))
    plan = do(one, Request(drop=("acme-tint",)))
    assert plan.warnings == ("acme-tint 1.1 stays, because needy 1.0 needs it; it goes with what needs it",)
    assert one.lock().require("acme-tint").requested == ""
    do(one, Request(drop=("needy",)))
    assert installed(one) == {}


def test_a_pack_that_is_named_twice_is_wanted_in_both_ranges(registry: RegistryFolder, tmp_path: Path) -> None:
    one = client(tmp_path, registry)
    assert one.plan(request("acme-tint>=1", "Acme_Tint<1.1")).changes == [("acme-tint", "", "1.0")]
    with pytest.raises(NoSolution, match=r"you want acme-tint(==1\.0,>=1\.1|>=1\.1,==1\.0)"):
        one.plan(request("acme-tint==1.0", "acme-tint>=1.1"))


@pytest.mark.parametrize(("field", "option"), [("scripts", "--allow-scripts"), ("isolate", "--isolate")])
def test_an_option_about_a_pack_that_is_not_there_is_refused(
    registry: RegistryFolder, tmp_path: Path, field: str, option: str
) -> None:
    with pytest.raises(BadRequirement, match=f"{option} nobody: no such pack"):
        client(tmp_path, registry).plan(request("acme-tint", **{field: ("nobody",)}))

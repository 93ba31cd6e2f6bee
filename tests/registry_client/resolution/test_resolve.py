"""Choosing versions: what is newest and goes together."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from registry_client.requirements import read_requirement
from registry_client.resolution.candidates import Candidate, Policy
from registry_client.resolution.no_solution import NoSolution
from registry_client.resolution.resolve import resolve
from sdk.commands import ExitCode
from sdk.registry import Release, State
from tests.support.registry_client import HOST, MemoryIndex, pack, release


def choose(index: MemoryIndex, *wanted: str, policy: Policy | None = None, **more: object) -> dict[str, str]:
    found = resolve([read_requirement(text) for text in wanted], index, HOST, policy or Policy(), **more)  # type: ignore[arg-type]
    return {candidate.id: candidate.release.version for candidate in found.packs}


def test_the_newest_version_is_chosen_and_what_it_needs_comes_along() -> None:
    index = MemoryIndex(
        pack("a", release("1.0"), release("1.10", packs=["b<2"]), release("1.9")), pack("b", release("1"), release("2"))
    )
    assert choose(index, "a") == {"a": "1.10", "b": "1"}


def test_ids_that_fold_alike_are_one_pack() -> None:
    assert choose(MemoryIndex(pack("Acme_Tint", release("1"))), "acme-tint") == {"Acme_Tint": "1"}


def test_an_older_version_is_chosen_when_the_newest_contradicts_the_hosts_python_packages() -> None:
    index = MemoryIndex(pack("a", release("1", "torch>=2"), release("2", "torch<2")))
    assert choose(index, "a") == {"a": "1"}


def test_a_local_build_of_the_host_satisfies_a_public_version() -> None:
    assert choose(MemoryIndex(pack("a", release("1", "torch==2.13.0"))), "a") == {"a": "1"}


def test_an_older_version_is_chosen_when_two_packs_contradict_each_other() -> None:
    index = MemoryIndex(pack("a", release("1", "foo<3"), release("2", "foo>=3")), pack("b", release("1", "foo<2")))
    assert choose(index, "a", "b") == {"a": "1", "b": "1"}


def test_requirements_for_other_systems_do_not_count() -> None:
    index = MemoryIndex(pack("a", release("1", "torch<2; sys_platform == 'nowhere'", "numpy<1; python_version<'3'")))
    assert choose(index, "a") == {"a": "1"}


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        ({"requires_python": ">=3.13"}, "needs Python >=3.13, and this is 3.11.7"),
        ({"host_api": ">=9"}, "needs node API >=9"),
        ({"systems": ("MacOS",)}, "made for the systems MacOS"),
        ({"accelerators": ("GPU :: AMD ROCm",)}, "made for the accelerators GPU :: AMD ROCm"),
        ({"state": State.QUARANTINED, "reason": "steals keys"}, "quarantined (steals keys)"),
        ({"state": State.YANKED, "reason": "bad build"}, "yanked (bad build)"),
        ({"state": State.PENDING}, "pending"),
    ],
)
def test_a_release_that_does_not_suit_is_left_for_an_older_one_or_named_with_the_reason(
    facts: dict[str, object], reason: str
) -> None:
    unfit = release("2", **facts)
    assert choose(MemoryIndex(pack("a", release("1"), unfit)), "a") == {"a": "1"}
    with pytest.raises(NoSolution, match="no usable version") as caught:
        choose(MemoryIndex(pack("a", unfit)), "a")
    assert reason in str(caught.value)


def test_systems_are_compared_by_their_classifiers() -> None:
    fits = release("1", systems=("POSIX",), accelerators=("GPU :: NVIDIA CUDA",))
    assert choose(MemoryIndex(pack("a", fits)), "a") == {"a": "1"}
    assert choose(MemoryIndex(pack("a", release("1", systems=("OS Independent",)))), "a") == {"a": "1"}


def test_a_yanked_release_is_installed_when_it_is_named_exactly_and_a_banned_one_never() -> None:
    index = MemoryIndex(pack("a", release("1"), release("2", state=State.YANKED), release("3", state=State.BANNED)))
    assert choose(index, "a==2") == {"a": "2"}
    with pytest.raises(NoSolution):
        choose(index, "a==3")


def test_a_yanked_release_that_is_installed_stays() -> None:
    index = MemoryIndex(pack("a", release("1"), release("2", state=State.YANKED)))
    assert choose(index, "a", policy=Policy(locked={"a": "2"})) == {"a": "2"}


def test_pre_releases_are_chosen_only_when_allowed_named_or_alone() -> None:
    index = MemoryIndex(pack("a", release("1"), release("2rc1")), pack("b", release("1a1")))
    assert choose(index, "a", "b") == {"a": "1", "b": "1a1"}
    assert choose(index, "a==2rc1") == {"a": "2rc1"}
    assert choose(index, "a", policy=Policy(prereleases=frozenset({"a"}))) == {"a": "2rc1"}


def test_releases_newer_than_the_cool_down_are_left_out() -> None:
    old, new = release("1", published="2026-01-01T00:00:00Z"), release("2", published="2026-03-01T00:00:00Z")
    policy = Policy(exclude_newer=datetime(2026, 2, 1, tzinfo=UTC))
    assert choose(MemoryIndex(pack("a", old, new)), "a", policy=policy) == {"a": "1"}
    with pytest.raises(NoSolution, match="nobody knows when"):
        choose(MemoryIndex(pack("a", release("1"))), "a", policy=policy)


def test_what_is_installed_stays_where_nothing_speaks_against_it() -> None:
    index = MemoryIndex(pack("a", release("1"), release("2")), pack("b", release("1", packs=["a>=2"])))
    policy = Policy(locked={"a": "1"})
    assert choose(index, "a", policy=policy) == {"a": "1"}
    assert choose(index, "a", "b", policy=policy) == {"a": "2", "b": "1"}


def test_a_direct_source_takes_the_place_of_the_registrys_pack() -> None:
    index = MemoryIndex(pack("a", release("9")), pack("b", release("1", packs=["a>=5"])))
    mine = Candidate(id="a", release=release("0.1"), version=Version("0.1"), source="./a")
    assert choose(index, "b", direct={"a": mine}) == {"a": "0.1", "b": "1"}


def test_combinations_that_failed_before_are_avoided() -> None:
    index = MemoryIndex(pack("a", release("1"), release("2")), pack("b", release("1"), release("2")))
    nogood = frozenset({("a", "2"), ("b", "2")})
    found = choose(index, "a", "b", nogoods=[nogood])
    assert nogood != set(found.items())
    assert "2" in found.values()
    assert choose(index, "a", nogoods=[frozenset({("a", "2")})]) == {"a": "1"}


def test_a_requirement_that_can_not_be_read_makes_an_older_release_be_taken() -> None:
    assert choose(MemoryIndex(pack("a", release("1"), release("2", "foo >>> 1"))), "a") == {"a": "1"}


def test_cycles_of_packs_are_no_trouble() -> None:
    index = MemoryIndex(pack("a", release("1", packs=["b"])), pack("b", release("1", packs=["a"])))
    assert choose(index, "a") == {"a": "1", "b": "1"}


def test_two_packs_that_disagree_are_named_with_ranges_and_agreeing_versions() -> None:
    index = MemoryIndex(
        pack("a", release("1.0", "foo>=3"), release("1.1", "foo<3")), pack("b", release("1.0", "foo>=3"))
    )
    with pytest.raises(NoSolution) as caught:
        choose(index, "a==1.1", "b")
    (cause, *_) = caught.value.causes
    assert (cause.kind, cause.name) == ("python", "foo")
    assert set(cause.needs) == {("a 1.1", "<3"), ("b 1.0", ">=3")}
    assert cause.agreeing == {"a": ("1.0",)}
    for part in ("a 1.1 needs foo<3", "b 1.0 needs foo>=3", "a 1.0 would agree", "--isolate"):
        assert part in str(caught.value)
    assert caught.value.exit_code is ExitCode.CONFLICT


@pytest.mark.parametrize("kind", ["python", "pack"])
def test_who_would_agree_with_each_of_two_that_disagree_is_not_blamed(kind: str) -> None:
    def needing(text: str) -> Release:
        return release("1", text) if kind == "python" else release("1", packs=[text])

    index = MemoryIndex(
        pack("foo", release("1"), release("2"), release("3")),
        pack("a", needing("foo>=1")),
        pack("b", needing("foo<2")),
        pack("c", needing("foo>=2")),
        pack("d", needing("foo<9")),
    )
    with pytest.raises(NoSolution) as caught:
        choose(index, "a", "b", "c", "d")
    cause = next(cause for cause in caught.value.causes if cause.name == "foo")
    assert (cause.kind, cause.needs) == (kind, (("b 1", "<2"), ("c 1", ">=2")))


def test_who_can_use_the_hosts_version_is_not_blamed() -> None:
    index = MemoryIndex(pack("a", release("1", "torch>=2")), pack("b", release("1", "torch<2")))
    with pytest.raises(NoSolution, match=r"^b 1 can't use the torch"):
        choose(index, "a", "b")


def test_a_pack_against_the_host_is_told_that_the_host_stays() -> None:
    with pytest.raises(
        NoSolution, match=r"a 1 can't use the torch 2\.13\.0\+cpu of this host, which is never replaced"
    ):
        choose(MemoryIndex(pack("a", release("1", "torch<2"))), "a")


def test_an_unknown_pack_is_not_found_and_its_dependant_is_named() -> None:
    with pytest.raises(NoSolution, match="no registry has a pack 'zz'") as caught:
        choose(MemoryIndex(), "zz")
    assert caught.value.exit_code is ExitCode.NOT_FOUND
    with pytest.raises(NoSolution, match="'zz', which a 1 needs"):
        choose(MemoryIndex(pack("a", release("1", packs=["zz"]))), "a")


def test_a_range_without_a_version_says_which_versions_there_are() -> None:
    with pytest.raises(NoSolution, match="usable versions here: 2, 1"):
        choose(MemoryIndex(pack("a", release("1"), release("2"))), "a>2")


RELEASES = st.lists(st.tuples(st.integers(1, 4), st.integers(0, 2), st.integers(1, 4)), min_size=1, max_size=4)


@given(st.lists(RELEASES, min_size=2, max_size=5), st.booleans())
def test_whatever_is_chosen_satisfies_every_requirement(shape: list[list[tuple[int, int, int]]], python: bool) -> None:
    names = [f"p{number}" for number in range(len(shape))]
    packs = []
    for name, rows in zip(names, shape, strict=True):
        releases = {
            str(version): release(
                str(version),
                *([f"lib<{bound}"] if python and version % 2 else ["lib>=2"] if python else []),
                packs=[f"{names[other % len(names)]}>={bound}"],
            )
            for version, other, bound in rows
        }
        packs.append(pack(name, *releases.values()))
    index = MemoryIndex(*packs)
    try:
        found = resolve([read_requirement(names[0])], index, HOST, Policy())
    except NoSolution:
        return
    chosen = {candidate.id: candidate for candidate in found.packs}
    for candidate in found.packs:
        for text in candidate.release.packs:
            wanted = read_requirement(text)
            assert wanted.specifier.contains(chosen[wanted.id].version)
    ranges = SpecifierSet(",".join(str(need.specifier) for need in found.python))
    assert not ranges.is_unsatisfiable()


def test_fifty_packs_of_many_resolve_without_trying_everything() -> None:
    many = [
        pack(
            f"p{n}",
            *(
                release(f"1.{k}", f"lib{n % 7}>={k}", "numpy>=1", packs=[f"p{(n * 7) % 50}>=1.{k % 3}"])
                for k in range(8)
            ),
        )
        for n in range(2000)
    ]
    index = MemoryIndex(*many)
    start = time.process_time()
    found = choose(index, *(f"p{n}" for n in range(50)))
    assert len(found) == 50
    assert time.process_time() - start < 10, "about 0.1 s are usual; benchmarks/client.py measures it"


def test_the_order_of_what_is_asked_for_does_not_matter() -> None:
    index = MemoryIndex(
        pack("a", release("1", "foo<3"), release("2", "foo>=3")),
        pack("b", release("1", "foo<2")),
        replace(pack("c", release("1", packs=["b"]))),
    )
    assert choose(index, "a", "c") == choose(index, "c", "a")


@pytest.mark.parametrize("published", ["", "yesterday", "2026-13-01T00:00:00Z", "2026-03-02T00:00:00"])
def test_a_release_of_an_unknown_moment_or_one_after_the_limit_is_left_out(published: str) -> None:
    index = MemoryIndex(
        pack("a", release("1", published="2026-02-28T23:59:59"), release("2", published=published)),
    )
    policy = Policy(exclude_newer=datetime(2026, 3, 1, tzinfo=UTC))
    assert choose(index, "a", policy=policy) == {"a": "1"}


@pytest.mark.parametrize(
    "hostile",
    [
        release("2" + "9" * 5000),
        release("2", requires_python=">=3." + "9" * 5000),
        release("2", host_api=">=" + "9" * 5000),
        release("2", "foo>=" + "9" * 5000),
        release("2", "foo; python_version > '3." + "9" * 5000 + "'"),
        release("2", "foo; os_name ~= 'x'"),
        release("2", packs=["b>=" + "9" * 5000]),
    ],
)
def test_a_release_with_versions_that_can_not_be_read_is_left_out(hostile: Release) -> None:
    assert choose(MemoryIndex(pack("a", release("1"), hostile), pack("b", release("1"))), "a") == {"a": "1"}

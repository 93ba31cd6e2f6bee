"""Both search engines find the same."""

from __future__ import annotations

import pytest
from sqlalchemy import text, update

from registry_server.packs.tables import PackRow
from registry_server.search.many import page_of_many
from registry_server.search.postgres import PostgresSearch
from registry_server.search.query import Bounds, Query, Search
from registry_server.search.sqlite import SqliteSearch
from tests.support.registry import Registry


def fill(server: Registry) -> Registry:
    server.publish("impact-pack", nodes=["FaceDetailer", "SAMLoader"])
    server.publish("image-tools", nodes=["ImageResizeKJ"], publisher="kijai")
    server.publish("video-helper_suite", nodes=["VHS_VideoCombine"])
    edit = {"description": "Detect faces, and caf\N{LATIN SMALL LETTER E WITH ACUTE}s", "tags": ["Faces", "detail"]}
    server.client.put("/publishers/acme/nodes/impact-pack", json=edit, headers=server.admin())
    return server


@pytest.fixture
def full(server: Registry) -> Registry:
    """Three packs."""
    return fill(server)


@pytest.fixture(scope="module")
def unchanged(shared_server: Registry) -> Registry:
    """The same for tests that only read."""
    return fill(shared_server)


def found(server: Registry, **query: str) -> list[str]:
    answer = server.client.get("/api/v1/search", params=query)
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body["total"] >= len(body["packs"])
    return [pack["id"] for pack in body["packs"]]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"q": "impact"}, ["impact-pack"]),
        ({"q": "IMPACT pack"}, ["impact-pack"]),
        ({"q": "impac"}, ["impact-pack"]),
        ({"q": "detect faces"}, ["impact-pack"]),
        ({"q": "suite"}, ["video-helper_suite"]),
        ({"q": "video-helper_suite"}, ["video-helper_suite"]),
        ({"q": "VHS_VideoCombine"}, ["video-helper_suite"]),
        ({"q": "FaceDetailer"}, ["impact-pack"]),
        ({"q": "detailer"}, ["impact-pack"]),
        ({"q": "kijai"}, ["image-tools"]),
        ({"q": "nothing at all like this"}, []),
        ({"node": "FaceDetailer"}, ["impact-pack"]),
        ({"node": "facedetailer"}, ["impact-pack"]),
        ({"node": "Face"}, []),
        ({"publisher": "kijai"}, ["image-tools"]),
        ({"tag": "faces"}, ["impact-pack"]),
        ({"q": "image", "publisher": "acme"}, []),
        ({"os": "Linux", "q": "image"}, ["image-tools"]),
        ({"q": "'; DROP TABLE packs; --"}, []),
        ({"q": '"unbalanced AND ( OR * NEAR'}, []),
        ({"q": "a:* & !b | <->"}, []),
    ],
)
def test_a_query_finds(unchanged: Registry, query: dict[str, str], expected: list[str]) -> None:
    assert found(unchanged, **query) == expected


def test_a_misspelled_name_is_found_by_its_parts(unchanged: Registry) -> None:
    assert found(unchanged, q="impcat-pack")[:1] == ["impact-pack"]


def test_without_words_much_used_packs_come_first(full: Registry) -> None:
    full.client.get("/nodes/image-tools/install")
    assert found(full)[0] == "image-tools"
    assert len(found(full)) == 3
    assert len(found(full, limit="1", page="2")) == 1


def test_a_name_counts_more_than_a_description(full: Registry) -> None:
    edit = {"description": "also does impact"}
    full.client.put("/publishers/kijai/nodes/image-tools", json=edit, headers=full.admin())
    assert found(full, q="impact") == ["impact-pack", "image-tools"]


def test_what_is_banned_is_not_found(full: Registry) -> None:
    full.client.post("/publishers/acme/nodes/impact-pack/ban", headers=full.admin())
    assert found(full, q="impact") == []
    assert found(full, node="FaceDetailer") == []


class Many:
    """A search to which few packs are many already."""

    def __init__(self, server: Registry) -> None:
        self._database = server.parts.database
        bounds = Bounds(common=3, ranked=3, named=3)
        self._search: Search = SqliteSearch(bounds) if self._database.is_sqlite else PostgresSearch(bounds)

    def __call__(self, text: str, offset: int = 0, limit: int = 10, **filters: str) -> tuple[int, list[str]]:
        with self._database.read() as session:
            total, ids = self._search.find(session, Query(text=text, **filters), offset, limit)
            return total, [session.get_one(PackRow, pack_id).slug for pack_id in ids]


@pytest.fixture
def many(server: Registry) -> Many:
    """Six packs with the word "blur", that with the fewest downloads last; three have it in their names."""
    names = ("grain", "blur-soft", "lens", "blur-fast", "glow", "blur")
    for place, name in enumerate(names):
        server.publish(name, nodes=[f"Blur {name}"], publisher="kijai" if name in ("lens", "blur-fast") else "acme")
        with server.parts.database.write() as session:
            session.execute(update(PackRow).where(PackRow.slug == name).values(downloads=100 - place))
    with server.parts.database.write() as session:
        if not server.parts.database.is_sqlite:
            session.execute(text("ANALYZE"))
    return Many(server)


def test_of_very_many_packs_that_of_the_very_name_comes_first_then_other_names_then_much_used_ones(many: Many) -> None:
    _, ids = many("blur")
    assert ids == ["blur", "blur-soft", "grain", "lens", "blur-fast", "glow"]
    pages = [many("blur", offset, 2)[1] for offset in (0, 2, 4, 6)]
    assert pages == [ids[:2], ids[2:4], ids[4:], []]


def test_how_many_there_are_is_about_right(many: Many, server: Registry) -> None:
    total, _ = many("blur")
    assert total == 6 if server.parts.database.is_sqlite else total >= 4


def test_filters_hold_among_very_many_packs(many: Many) -> None:
    assert many("blur", publisher="kijai")[1] == ["blur-fast", "lens"]
    assert sorted(many("blur", system="linux")[1]) == sorted(many("blur")[1])
    assert many("blur", publisher="nobody")[1] == []


def test_a_frequent_word_is_looked_for_as_it_is(many: Many, server: Registry) -> None:
    server.publish("blurry-eyes")
    assert "blurry-eyes" not in many("blur")[1]
    assert many("blurr")[1] == ["blurry-eyes"]


def test_a_page_may_begin_and_end_anywhere() -> None:
    packs = [(number, number % 3 == 0) for number in range(20)]

    def fetch(offset: int, limit: int) -> list[tuple[int, bool]]:
        return packs[offset : offset + limit]

    expected = [99, 0, 3, 6, 1, 2, 4, 5, 7, *range(8, 20)]
    for offset in range(22):
        for limit in (1, 5, 30):
            found = page_of_many(fetch, 99, 8, offset, limit)
            assert found == expected[offset : offset + limit], (offset, limit)
    assert page_of_many(fetch, None, 8, 0, 30) == expected[1:]

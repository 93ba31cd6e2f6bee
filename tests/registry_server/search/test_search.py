"""Both search engines find the same."""

from __future__ import annotations

import pytest

from tests.support.registry import Registry


@pytest.fixture
def full(server: Registry) -> Registry:
    server.publish("impact-pack", nodes=["FaceDetailer", "SAMLoader"])
    server.publish("image-tools", nodes=["ImageResizeKJ"], publisher="kijai")
    server.publish("video-helper_suite", nodes=["VHS_VideoCombine"])
    edit = {"description": "Detect faces, and caf\N{LATIN SMALL LETTER E WITH ACUTE}s", "tags": ["Faces", "detail"]}
    server.client.put("/publishers/acme/nodes/impact-pack", json=edit, headers=server.admin())
    return server


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
def test_a_query_finds(full: Registry, query: dict[str, str], expected: list[str]) -> None:
    assert found(full, **query) == expected


def test_a_misspelled_name_is_found_by_its_parts(full: Registry) -> None:
    assert found(full, q="impcat-pack")[:1] == ["impact-pack"]


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

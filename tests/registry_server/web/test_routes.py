"""The pages: all of them are sound HTML, and say what there is to say."""

from __future__ import annotations

import re
from urllib.parse import quote, urljoin, urlsplit

import html5lib
import pytest

from registry_server.accounts.identity import OPERATOR
from registry_server.accounts.service import create_user, set_member
from tests.registry_server.web.shown import FIRST_IDS, HOSTILE, PAGES, Page, fill
from tests.support.registry import Registry


def look(site: Registry, path: str, status: int = 200) -> Page:
    answer = site.client.get(path)
    assert answer.status_code == status, answer.text
    return Page(answer.text)


@pytest.mark.parametrize("path", PAGES)
def test_every_page_is_html_without_a_fault(site: Registry, path: str) -> None:
    html5lib.HTMLParser(strict=True).parse(site.client.get(path).text)


@pytest.mark.parametrize("path", PAGES)
def test_what_authors_write_stays_text(site: Registry, path: str) -> None:
    page = look(site, path)
    assert not {tag for tag, _ in page.tags} & {"script", "iframe", "object", "embed", "style", "base"}
    assert not [name for _, attributes in page.tags for name in attributes if name.startswith("on")]
    addresses = [*page.values("href"), *page.values("src"), *page.values("action")]
    assert {urlsplit(address).scheme for address in addresses} <= {"", "http", "https"}


def test_hostile_texts_are_shown_as_they_stand(site: Registry) -> None:
    page = look(site, "/pack/colour-tools")
    assert page.text.count(HOSTILE) >= 3
    assert "49" not in page.text.split("DROP TABLE packs;--")[1][:12]
    assert HOSTILE in look(site, "/pack/colour-tools/versions/1.0.0").text
    assert HOSTILE in look(site, f"/search?q={quote(HOSTILE)}").text


@pytest.mark.parametrize("path", PAGES)
def test_pages_have_landmarks_a_heading_and_named_fields(site: Registry, path: str) -> None:
    page = look(site, path)
    tags = [tag for tag, _ in page.tags]
    assert (tags.count("main"), tags.count("h1"), tags.count("footer")) == (1, 1, 1)
    levels = [int(tag[1]) for tag in tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    ids = list(page.values("id"))
    assert len(ids) == len(set(ids))
    fields = [attributes["id"] for tag, attributes in page.tags if tag in ("input", "select")]
    assert set(fields) <= set(page.values("for"))
    assert all("alt" in attributes for tag, attributes in page.tags if tag == "img")
    assert page.tags[[tag for tag, _ in page.tags].index("a")][1]["href"] == "#content"


def test_no_link_on_any_page_leads_nowhere(site: Registry) -> None:
    seen: dict[str, Page] = {}
    waiting = {"/"}
    while waiting:
        path = waiting.pop()
        answer = site.client.get(path)
        assert answer.status_code == 200, path
        if not answer.headers["content-type"].startswith("text/html"):
            continue
        seen[path] = Page(answer.text)
        for address in seen[path].values("href"):
            target = urlsplit(urljoin(f"http://testserver{path}", address))
            local = target.path + (f"?{target.query}" if target.query else "")
            ours = target.netloc == "testserver" and not local.startswith(("/docs", "/api/", "/openapi"))
            if ours and "image-filters" not in local and local not in seen:
                waiting.add(local)
    assert {"/duplicates", "/rules", "/about", "/pack/colour-tools", "/publisher/acme"} <= set(seen)
    assert len([path for path in seen if path.startswith("/node")]) >= len(FIRST_IDS)


@pytest.mark.parametrize("node_id", FIRST_IDS)
def test_a_node_of_any_name_has_a_page(site: Registry, node_id: str) -> None:
    path = f"/node/{quote(node_id, safe='')}" if node_id != ".." else "/node?id=.."
    page = look(site, path)
    assert node_id in page.text
    assert "Belongs to colour-tools" in page.text
    assert "value" in page.text, "its input is drawn"


def test_a_pack_page_says_what_one_must_know_before_installing(site: Registry) -> None:
    text = look(site, "/pack/colour-tools").text
    for told in (
        "comfy-nodes install colour-tools",
        "numpy>=2",
        "image-filters>=1",
        ">=3.10",
        "network",
        "KiB",
        "CN102",
    ):
        assert told in text, told
    assert "1.1.0" in text
    assert "2.0.0b1" in text
    assert "yanked" in text
    assert "How to fix: Parse the text" in text


def test_states_are_told_with_their_reasons(site: Registry) -> None:
    assert "In quarantine" in look(site, "/pack/evil-pack").text
    assert "CN101" in look(site, "/pack/evil-pack").text
    assert "Download the archive" not in look(site, "/pack/evil-pack").text
    assert "Yanked" in look(site, "/pack/colour-tools/versions/1.0.0").text
    deprecated = look(site, "/pack/copied-tools")
    assert "Deprecated." in deprecated.text
    assert "/search?q=colour-tools%3E%3D1" in set(deprecated.values("href"))


def test_a_copy_is_named_as_such(site: Registry) -> None:
    assert "a copy of it is inside" in look(site, "/pack/copied-tools").text
    assert "Copy 0" in look(site, "/pack/colour-tools/duplicates").text
    assert "copied-tools" in look(site, "/duplicates").text
    assert "Blend (v2)" in look(site, "/duplicates?kind=id").text


def test_a_publisher_s_members_are_shown_by_their_handles_alone(site: Registry) -> None:
    with site.parts.database.write() as session:
        create_user(session, OPERATOR, site.clock(), "mallory-7", f"Mallory {HOSTILE}", "mallory@example.com")
        set_member(session, OPERATOR, site.clock(), "acme", "mallory-7", "owner")
    html = site.client.get("/publisher/acme").text
    assert "mallory-7" in html
    assert "owner" in html
    assert "example.com" not in html
    assert "Mallory" not in html


def test_what_the_catalogue_lists_is_shown_as_kept(site: Registry) -> None:
    page = look(site, "/pack/listed-elsewhere")
    assert "Nothing of it is published here" in page.text
    assert "Kept Node" in page.text


def test_search_goes_on_over_pages_and_keeps_its_filters(site: Registry) -> None:
    found = look(site, "/search?q=tools&publisher=acme&os=windows")
    assert "2 packs for" in found.text
    assert "selected" in next(a for tag, a in found.tags if tag == "option" and a["value"] == "windows")
    assert "No pack fits" in look(site, "/search?q=xyzzyplugh").text
    assert "There are no further pages" in look(site, "/search?page=7").text


def test_every_query_works_on_both_databases(server: Registry) -> None:
    fill(server)
    for path in PAGES:
        assert server.client.get(path).status_code == 200, path
    assert "copied-tools" in server.client.get("/duplicates").text
    assert server.client.get("/feed.atom").status_code == 200

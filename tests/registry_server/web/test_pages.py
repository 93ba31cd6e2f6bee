"""Headers of pages: nothing foreign gets in, and nothing is sent twice."""

from __future__ import annotations

import pytest

from tests.registry_server.web.shown import PAGES
from tests.support.registry import Registry, registry


@pytest.mark.parametrize("path", PAGES)
def test_pages_let_no_script_run(site: Registry, path: str) -> None:
    policy = site.client.get(path).headers["content-security-policy"]
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'"
    assert rules["style-src"] == "'self'"
    assert rules["frame-ancestors"] == "'none'"
    assert "script-src" not in rules


def test_a_page_that_is_known_is_not_sent_again(site: Registry) -> None:
    first = site.client.get("/pack/colour-tools")
    again = site.client.get("/pack/colour-tools", headers={"If-None-Match": f"W/{first.headers['etag']}"})
    assert (again.status_code, again.content) == (304, b"")
    assert "max-age" in again.headers["cache-control"]
    assert site.client.head("/pack/colour-tools").headers["etag"] == first.headers["etag"]


def test_the_style_sheet_stays_with_the_client_until_it_changes(site: Registry) -> None:
    page = site.client.get("/").text
    address = page.split('rel="stylesheet" href="')[1].split('"')[0]
    answer = site.client.get(address)
    assert answer.headers["content-type"] == "text/css; charset=utf-8"
    assert "immutable" in answer.headers["cache-control"]
    assert "immutable" not in site.client.get("/static/style.old.css").headers["cache-control"]


def test_search_engines_are_told_what_to_leave_out(site: Registry) -> None:
    assert "Disallow: /api/" in site.client.get("/robots.txt").text


def test_behind_a_proxy_every_link_begins_with_its_folder(settings: object) -> None:
    from dataclasses import replace

    from registry_server.settings import Settings
    from tests.registry_server.web.shown import Page

    assert isinstance(settings, Settings)
    with registry(replace(settings, public_url="https://example.com/registry")) as found:
        found.publish()
        for path in ("/", "/pack/probe-pack", "/node/ProbeNode", "/search", "/about"):
            links = [*Page(found.client.get(path).text).values("href")]
            foreign = [a for a in links if a.startswith("/") and not a.startswith("/registry/")]
            assert foreign == []
        assert "https://example.com/registry" in found.client.get("/about").text

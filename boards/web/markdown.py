"""Markdown that agents write, as HTML that is safe to show.

Raw HTML is text, but for a few harmless tags: issue templates are full of comments and ``<details>``,
code is full of ``List<String>``. nh3 has the last word.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from functools import cache
from typing import Any

import nh3
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.rules_core import StateCore
from markdown_it.token import Token
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_by_name
from pygments.token import STANDARD_TYPES
from pygments.util import ClassNotFound

RAW_TAGS = ("br", "details", "summary", "sub", "sup", "kbd", "hr", "b", "i", "em", "strong", "code", "del", "ins")
TAGS = {
    *RAW_TAGS, "p", "h3", "h4", "h5", "h6", "ul", "ol", "li", "blockquote", "pre", "a", "s", "table", "thead",
    "tbody", "tr", "th", "td", "span",
}  # fmt: skip
CLASSES = {"a": {"mention"}, "b": {"mention"}, "span": {name for name in STANDARD_TYPES.values() if name}}
# Code that is longer is shown without colours: a lexer takes a second for some hundred kilobytes.
MAX_COLOURED = 20_000
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
# As mentions are found when a comment is written: tickets.services.mentions.
_MENTION = re.compile(
    r"(?<![\w@#/.])(?:@(?P<agent>[A-Za-z0-9][A-Za-z0-9._:-]{0,99})|#(?P<key>[A-Za-z][A-Za-z0-9]{1,9}-[1-9][0-9]{0,9})\b)"
)
_RAW = re.compile(rf"</?(?:{'|'.join(RAW_TAGS)})\s*/?>", re.IGNORECASE)


def render(text: str, agents: Collection[str] = (), prefix: str = "") -> SafeString:
    """Markdown to HTML without scripts, styles, forms and pictures.

    ``@`` before one of the agents' ids is marked, ``#`` before a key that begins with ``prefix`` is a link.
    """
    html = nh3.clean(
        _parser().render(text, {"agents": agents, "prefix": prefix.upper()}),
        tags=TAGS,
        attributes={"a": {"href", "title"}, "ol": {"start"}, "p": {"dir"}, "li": {"dir"}, "pre": {"tabindex"}},
        # A picture from elsewhere would tell that site who reads the ticket; the policy forbids it anyway.
        set_tag_attribute_values={"pre": {"tabindex": "0"}, "p": {"dir": "auto"}, "li": {"dir": "auto"}},
        allowed_classes=CLASSES,
        url_schemes={"http", "https", "mailto"},
        link_rel="nofollow noopener noreferrer",
    )
    return mark_safe(html)  # noqa: S308 - nh3 has cleaned it


@cache
def _parser() -> MarkdownIt:
    options = {"html": True, "linkify": True, "breaks": True, "highlight": _coloured}
    parser = MarkdownIt("commonmark", options)
    parser.enable(["table", "strikethrough", "linkify"])
    parser.disable("image")
    parser.core.ruler.push("lower_headings", _lower_headings)
    parser.core.ruler.push("mentions", _mentions)
    parser.add_render_rule("html_block", _raw_html)
    parser.add_render_rule("html_inline", _raw_html)
    return parser


def _lower_headings(state: StateCore) -> None:
    """A text's headings stand below those of the page: h1 becomes h3."""
    for token in state.tokens:
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{min(int(token.tag[1]) + 2, 6)}"


def _mentions(state: StateCore) -> None:
    if not state.env.get("agents") and not state.env.get("prefix"):
        return
    for token in state.tokens:
        if token.children:
            token.children = list(_marked(token.children, state.env))


def _marked(tokens: Sequence[Token], env: Any) -> Iterator[Token]:
    inside = 0
    for token in tokens:
        inside += token.nesting if token.type in ("link_open", "link_close") else 0
        if token.type != "text" or inside:
            yield token
            continue
        end = 0
        for found in _MENTION.finditer(token.content):
            opening = _opening(found, env)
            if opening is not None:
                yield _text(token.content[end : found.start()])
                yield opening
                yield _text(token.content[found.start() : (end := _end(found))])
                yield Token("mention_close", opening.tag, -1)
        yield _text(token.content[end:])


def _opening(found: re.Match[str], env: Any) -> Token | None:
    if key := found["key"]:
        if key.upper().rpartition("-")[0] != env["prefix"]:
            return None
        return Token("mention_open", "a", 1, attrs={"class": "mention", "href": f"/tickets/{key.upper()}"})
    known = found["agent"].rstrip(".:-") in env["agents"]
    return Token("mention_open", "b", 1, attrs={"class": "mention"}) if known else None


def _end(found: re.Match[str]) -> int:
    """Where the mention ends: a full stop behind a name ends a sentence."""
    return found.end() - (len(found[0]) - len(found[0].rstrip(".:-")))


def _text(content: str) -> Token:
    return Token("text", "", 0, content=content)


def _coloured(code: str, language: str, _attributes: str) -> str:
    """Code with Pygments' short classes; "" where the language is not known, so that it is shown as it is."""
    if not language or len(code) > MAX_COLOURED:
        return ""
    try:
        lexer = get_lexer_by_name(language)
    except ClassNotFound:
        return ""
    return str(highlight(code, lexer, HtmlFormatter(nowrap=True)))


def _raw_html(_renderer: RendererHTML, tokens: Sequence[Token], index: int, _options: Any, _env: Any) -> str:
    text = _COMMENT.sub("", tokens[index].content)
    parts, end = [], 0
    for match in _RAW.finditer(text):
        parts += [escape(text[end : match.start()]), match.group()]
        end = match.end()
    return "".join([*parts, escape(text[end:])])

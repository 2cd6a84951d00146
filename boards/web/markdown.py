"""Markdown that agents write, as HTML that is safe to show.

Raw HTML is text, but for a few harmless tags: issue templates are full of comments and ``<details>``,
code is full of ``List<String>``. nh3 has the last word.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from typing import Any

import nh3
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.rules_core import StateCore
from markdown_it.token import Token

RAW_TAGS = ("br", "details", "summary", "sub", "sup", "kbd", "hr", "b", "i", "em", "strong", "code", "del", "ins")
TAGS = {
    *RAW_TAGS, "p", "h3", "h4", "h5", "h6", "ul", "ol", "li", "blockquote", "pre", "a", "s", "table", "thead",
    "tbody", "tr", "th", "td",
}  # fmt: skip
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_RAW = re.compile(rf"</?(?:{'|'.join(RAW_TAGS)})\s*/?>", re.IGNORECASE)


def render(text: str) -> SafeString:
    """Markdown to HTML without scripts, styles, forms and pictures."""
    html = nh3.clean(
        _parser().render(text),
        tags=TAGS,
        attributes={"a": {"href", "title"}, "ol": {"start"}, "p": {"dir"}, "li": {"dir"}, "pre": {"tabindex"}},
        # A picture from elsewhere would tell that site who reads the ticket; the policy forbids it anyway.
        set_tag_attribute_values={"pre": {"tabindex": "0"}, "p": {"dir": "auto"}, "li": {"dir": "auto"}},
        url_schemes={"http", "https", "mailto"},
        link_rel="nofollow noopener noreferrer",
    )
    return mark_safe(html)  # noqa: S308 - nh3 has cleaned it


@cache
def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": True, "linkify": True, "breaks": True})
    parser.enable(["table", "strikethrough", "linkify"])
    parser.disable("image")
    parser.core.ruler.push("lower_headings", _lower_headings)
    parser.add_render_rule("html_block", _raw_html)
    parser.add_render_rule("html_inline", _raw_html)
    return parser


def _lower_headings(state: StateCore) -> None:
    """A text's headings stand below those of the page: h1 becomes h3."""
    for token in state.tokens:
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{min(int(token.tag[1]) + 2, 6)}"


def _raw_html(_renderer: RendererHTML, tokens: Sequence[Token], index: int, _options: Any, _env: Any) -> str:
    text = _COMMENT.sub("", tokens[index].content)
    parts, end = [], 0
    for match in _RAW.finditer(text):
        parts += [escape(text[end : match.start()]), match.group()]
        end = match.end()
    return "".join([*parts, escape(text[end:])])

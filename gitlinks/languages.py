"""Names the language of a file by its name, as Pygments names it."""

from __future__ import annotations

import functools

from pygments.lexers import find_lexer_class_for_filename, get_all_lexers

PLAIN = "text"
# Where Pygments, without the text, takes the rarer meaning.
_COMMON = {".pl": "perl", ".sql": "sql"}


def language_of(path: str) -> str:
    """The language for highlighting: ``python``, ``javascript`` … ``text`` where the name says nothing."""
    name = path.rpartition("/")[2]
    known = _known()
    if name in known:
        return known[name]
    suffix = "." + name.rpartition(".")[2].lower()
    return _of_suffix(suffix) if f"*{suffix}" in known else PLAIN


@functools.cache
def _known() -> dict[str, str]:
    """What lexers say that they read: whole names and ``*.suffix``, each with the first that says so."""
    found: dict[str, str] = {}
    for _, aliases, patterns, _ in get_all_lexers(plugins=False):
        for pattern in patterns:
            found.setdefault(pattern, aliases[0] if aliases else PLAIN)
    return found


@functools.cache
def _of_suffix(suffix: str) -> str:
    """Several lexers read some suffixes; Pygments knows which is meant as a rule. Only for known ones: it is slow."""
    if suffix in _COMMON:
        return _COMMON[suffix]
    lexer = find_lexer_class_for_filename(f"name{suffix}")
    return lexer.aliases[0] if lexer is not None and lexer.aliases else PLAIN

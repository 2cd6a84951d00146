"""The lines of a diff as rows of tables, unified or side by side. Written without templates: there are thousands."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from itertools import zip_longest
from typing import Literal, cast

from django.utils.safestring import SafeString, mark_safe

from boards.web.commit.colours import MAX_COLOURED, Span, Token, changed_words, coloured, line_html, plain
from boards.web.commit.tree import glyph
from gitlinks.hunks import Kind, Line
from gitlinks.selectors.windows import FileWindow

Layout = Literal["unified", "split"]
# A browser lays out, or skips, a table at a time.
PER_TABLE = 50
# Up to here a gap is opened at once, else by steps from both its ends.
STEP = 20
_SIGNS: dict[Kind, str] = {"del": "\N{MINUS SIGN}", "add": "+"}
_NUMBERLESS = '<td class="ln"></td>'
_NOTHING = f'{_NUMBERLESS}<td class="cd none"></td>'


@dataclass
class Row:
    """A line with what is to be seen in it."""

    line: Line
    tokens: Sequence[Token]
    marks: Sequence[Span] = ()
    ending: bool = False

    @property
    def html(self) -> str:
        return line_html(self.tokens, self.marks, ending=self.ending)


def tables(window: FileWindow, lines: Sequence[Line], layout: Layout, *, last: bool) -> SafeString:
    """A page of a file's diff; ``last``: below it there may be more of the file."""
    rows = _rows(window, lines)
    html = list(_split(rows) if layout == "split" else _unified(rows))
    if last and (below := _below(window, lines, layout)):
        html.append(below)
    start = f'<div class="slab"><table class="diff hl{" is-split" if layout == "split" else ""}">'
    caption = f'<caption class="vh">{escape(window.diff.row["path"])}: old line, new line, code</caption>'
    groups = [html[at : at + PER_TABLE] for at in range(0, len(html), PER_TABLE)]
    return mark_safe(  # noqa: S308 - built of escaped parts
        "".join(f"{start}{caption}{_columns(layout)}<tbody>{''.join(group)}</tbody></table></div>" for group in groups)
    )


def context_rows(window: FileWindow, first: int, last: int, delta: int, layout: Layout) -> tuple[str, bool]:
    """The unchanged new lines from ``first`` to ``last``, ``delta`` lines further down than the old; whether the file
    goes on below."""
    content = window.content().lines
    numbers = range(first, min(last, len(content)) + 1)
    lines = [Line("same", number - delta, number, content[number - 1]) for number in numbers]
    rows = [Row(line, tokens) for line, tokens in zip(lines, _same_tokens(window, lines), strict=True)]
    html = "".join(_split(rows) if layout == "split" else _unified(rows))
    return html, last < len(content)


def _same_tokens(window: FileWindow, lines: Sequence[Line]) -> list[list[Token]]:
    language = window.diff.row["language"]
    whole = window.content().lines
    if sum(map(len, whole)) <= MAX_COLOURED:
        tokens = coloured(whole, language)
        return [tokens[line.new - 1] for line in lines if line.new]
    return coloured([line.text for line in lines], language)


# ── what there is to see in a line ──


def _rows(window: FileWindow, lines: Sequence[Line]) -> list[Row]:
    tokens = _tokens(window, lines)
    rows = [Row(line, known) for line, known in zip(lines, tokens, strict=True)]
    for removed, added in _changes(rows):
        for old, new in zip(removed, added, strict=False):
            old.marks, new.marks = changed_words(plain(old.line.text), plain(new.line.text))
            endings = old.line.text.endswith("\r"), new.line.text.endswith("\r")
            if endings[0] != endings[1]:
                old.ending, new.ending = endings
    return rows


def _tokens(window: FileWindow, lines: Sequence[Line]) -> list[Sequence[Token]]:
    """Colours come from the whole file where it is short enough: a hunk may begin inside a string."""
    language = window.diff.row["language"]
    sides = []
    for old in (True, False):
        wanted = [line for line in lines if (line.old if old else line.new) and line.kind in ("same", "add", "del")]
        content = window.content(old=old, at_most=4 * MAX_COLOURED).text if wanted else None
        if content is not None and len(content) <= MAX_COLOURED and window.change.status != "T":
            known: dict[int, Sequence[Token]] = dict(enumerate(coloured(content.split("\n"), language), 1))
        else:
            found = coloured([line.text for line in wanted], language)
            known = {number: part for line, part in zip(wanted, found, strict=True) if (number := _number(line, old))}
        sides.append(known)
    return [_of_line(line, *sides) for line in lines]


def _number(line: Line, old: bool) -> int:
    return (line.old if old else line.new) or 0


def _of_line(line: Line, old: dict[int, Sequence[Token]], new: dict[int, Sequence[Token]]) -> Sequence[Token]:
    text = plain(line.text)
    if line.kind in ("hunk", "note"):
        return [("", text)]
    found = old.get(line.old or 0) if line.kind == "del" else new.get(line.new or 0)
    # The file may have been read otherwise than the diff was: the diff is what counts.
    return found if found is not None and "".join(part for _, part in found) == text else [("", text)]


def _changes(rows: Sequence[Row]) -> Iterator[tuple[list[Row], list[Row]]]:
    """Lines removed, and those added in their place."""
    removed: list[Row] = []
    added: list[Row] = []
    for row in rows:
        kind = row.line.kind
        if kind == "note":
            continue
        if kind == "del" and not added:
            removed.append(row)
        elif kind == "add":
            added.append(row)
        else:
            yield removed, added
            removed, added = ([row] if kind == "del" else []), []
    yield removed, added


# ── rows ──


def _columns(layout: Layout) -> str:
    if layout == "split":
        return '<colgroup><col class="c-ln"><col><col class="c-ln"><col></colgroup>'
    return ""


def _unified(rows: Sequence[Row]) -> Iterator[str]:
    for row in rows:
        line = row.line
        if line.kind in ("hunk", "note"):
            yield _wide(row, 2)
            continue
        change = f' data-change="{line.change}"' if line.change else ""
        kind = f' class="{line.kind}"{change}' if line.change else ""
        yield f"<tr{kind}>{_ln(line.old)}{_ln(line.new)}{_cd(row)}</tr>"


def _split(rows: Sequence[Row]) -> Iterator[str]:
    removed: list[Row] = []
    added: list[Row] = []
    notes: list[Row] = []
    for row in rows:
        kind = row.line.kind
        if kind == "del":
            if added:
                yield from _pairs(removed, added, notes)
            removed.append(row)
        elif kind == "add":
            added.append(row)
        elif kind == "note" and (removed or added):
            notes.append(row)
        else:
            yield from _pairs(removed, added, notes)
            if kind == "same":
                code = _cd(row)
                yield f"<tr>{_ln(row.line.old)}{code}{_ln(row.line.new)}{code}</tr>"
            else:
                yield _wide(row, 1)
    yield from _pairs(removed, added, notes)


def _pairs(removed: list[Row], added: list[Row], notes: list[Row]) -> Iterator[str]:
    for old, new in zip_longest(removed, added):
        left = f"{_ln(old.line.old, 'del')}{_cd(old, 'del')}" if old else _NOTHING
        right = f"{_ln(new.line.new, 'add')}{_cd(new, 'add')}" if new else _NOTHING
        yield f'<tr data-change="{cast(Row, old or new).line.change}">{left}{right}</tr>'
    for note in {note.line.text: note for note in notes}.values():
        yield _wide(note, 1)
    for done in (removed, added, notes):
        done.clear()


def _ln(number: int | None, kind: str = "") -> str:
    if number is None:
        return _NUMBERLESS
    return f'<td class="ln{" " if kind else ""}{kind}" data-n="{number}"></td>'


def _cd(row: Row, kind: str = "") -> str:
    sign = _SIGNS.get(row.line.kind, "")
    said = f' data-s="{sign}"' if sign else ""
    return f'<td class="cd{" " if kind else ""}{kind}"{said}>{row.html}</td>'


def _wide(row: Row, numbers: int) -> str:
    """A hunk's head, or a remark of git's, across the table."""
    line = row.line
    rest = 1 if numbers == 2 else 3
    if line.kind == "note":
        return f'<tr class="note"><td colspan="{numbers}"></td><td class="cd" colspan="{rest}">{row.html}</td></tr>'
    new, old = line.new or 1, line.old or 1
    if new <= line.gap:
        # It begins where the file does, and says nothing that its lines do not.
        return ""
    facts = f'data-from="{line.gap}" data-to="{new - 1}" data-delta="{new - old}"'
    buttons = _unfolds(line.gap, new - 1)
    heading = f'<span class="at">Line {new}</span>{f" <bdi>{row.html}</bdi>" if line.text else ""}'
    return (
        f'<tr class="hunk" {facts}><td colspan="{numbers}">{buttons}</td>'
        f'<td class="cd" colspan="{rest}">{heading}</td></tr>'
    )


def _unfolds(first: int, last: int) -> str:
    count = last - first + 1
    if count <= STEP:
        return _unfold("all", "unfold", f"Show the {count} line{'s' if count > 1 else ''} from {first} to {last}")
    down = _unfold("down", "down", f"Show {STEP} lines from {first} on") if first > 1 else ""
    return f"{down}{_unfold('up', 'up', f'Show {STEP} lines above line {last + 1}')}"


def _unfold(way: str, drawing: str, label: str) -> str:
    return f'<button class="unfold" type="button" data-unfold="{way}" aria-label="{label}">{glyph(drawing)}</button>'


def _below(window: FileWindow, lines: Sequence[Line], layout: Layout) -> str:
    """The rest of the file, where there is one."""
    end = lines[-1] if lines else None
    if end is None or end.kind != "same" or window.diff.row["truncated"] or end.new is None or end.old is None:
        return ""
    if len(window.content().lines) <= end.new:
        return ""
    facts = f'data-from="{end.new + 1}" data-delta="{end.new - end.old}"'
    button = _unfold("down", "down", f"Show {STEP} lines from {end.new + 1} on")
    numbers, rest = (1, 3) if layout == "split" else (2, 1)
    return (
        f'<tr class="hunk" data-tail {facts}><td colspan="{numbers}">{button}</td>'
        f'<td class="cd" colspan="{rest}"></td></tr>'
    )

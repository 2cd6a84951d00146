"""What differs between two configurations of a board, in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from tickets.rules import Board, Column, TicketType


def board_changes(old: Board, new: Board, moved: Mapping[str, str]) -> list[str]:
    """A clause for each difference. ``moved``: column → column that took its tickets."""
    return [*_columns(old, new, moved), *_types(old, new), *_rest(old, new)]


def _columns(old: Board, new: Board, moved: Mapping[str, str]) -> Iterator[str]:
    for id_, column in old.by_id.items():
        if id_ not in new.by_id:
            target = new.by_id.get(moved.get(id_, ""))
            yield f"column “{column.name}” removed" + (f", its tickets to “{target.name}”" if target else "")
    for id_, column in new.by_id.items():
        if id_ not in old.by_id:
            yield f"column “{column.name}” added" + (f", limit {column.wip_limit}" if column.wip_limit else "")
        else:
            yield from _column(old.by_id[id_], column)
            if id_ in moved:
                # By their ids: names may have been exchanged.
                yield f"tickets of {id_} to {moved[id_]}"
    kept = [id_ for id_ in new.by_id if id_ in old.by_id]
    if kept != [id_ for id_ in old.by_id if id_ in new.by_id]:
        yield "columns in another order: " + ", ".join(column.name for column in new.columns)


def _column(old: Column, new: Column) -> Iterator[str]:
    if old.name != new.name:
        yield f"“{old.name}” renamed to “{new.name}”"
    if old.wip_limit != new.wip_limit:
        yield f"limit of “{new.name}” from {old.wip_limit or 'none'} to {new.wip_limit or 'none'}"
    if old.category != new.category:
        yield f"“{new.name}” from {old.category} to {new.category}"
    if old.color != new.color:
        yield f"colour of “{new.name}” from {old.color} to {new.color}"


def _types(old: Board, new: Board) -> Iterator[str]:
    for id_, kind in old.types.items():
        if id_ not in new.types:
            yield f"type “{kind.name}” removed"
    for id_, kind in new.types.items():
        if id_ not in old.types:
            yield f"type “{kind.name}” added"
        else:
            yield from _type(old.types[id_], kind)
    kept = [id_ for id_ in new.types if id_ in old.types]
    if kept != [id_ for id_ in old.types if id_ in new.types]:
        yield "types in another order"


def _type(old: TicketType, new: TicketType) -> Iterator[str]:
    if old.name != new.name:
        yield f"type “{old.name}” renamed to “{new.name}”"
    if old.icon != new.icon:
        yield f"icon of type “{new.name}” from {old.icon or 'none'} to {new.icon or 'none'}"
    if old.color != new.color:
        yield f"colour of type “{new.name}” from {old.color} to {new.color}"


def _rest(old: Board, new: Board) -> Iterator[str]:
    if old.name != new.name:
        yield f"board renamed to “{new.name}”"
    for field, word in (("initial_status", "first column"), ("resolved_status", "column of the resolved")):
        was, now = getattr(old, field), getattr(new, field)
        if was != now:
            yield f"{word} from “{_name(old, was)}” to “{_name(new, now)}”"
    if old.default_ticket_type != new.default_ticket_type:
        yield f"usual type from {old.default_ticket_type} to {new.default_ticket_type}"
    if old.transitions != new.transitions:
        yield "all moves allowed" if new.transitions is None else "other moves allowed between columns"
    was_set, is_set = old.settings.model_dump(), new.settings.model_dump()
    for name, value in is_set.items():
        if was_set[name] != value:
            yield f"{name.replace('_', ' ')} {_setting(was_set[name])} → {_setting(value)}"


def _name(board: Board, status: str) -> str:
    return board.by_id[status].name


def _setting(value: object) -> str:
    return ("on" if value else "off") if isinstance(value, bool) else str(value)

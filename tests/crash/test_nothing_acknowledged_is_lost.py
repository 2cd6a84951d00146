"""Nothing acknowledged is lost and nothing doubled, though the server is killed three times in the middle of it.

Runs on the database that the suite runs on: SQLite, and PostgreSQL where DATABASE_URL names one.
"""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from itertools import pairwise
from typing import Any

import pytest

from tests.crash.disaster import CLIENTS, KILLS, TICKETS, Aftermath, disaster

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("crash")]


@pytest.fixture(scope="module")
def aftermath(tmp_path_factory: pytest.TempPathFactory) -> Aftermath:
    return disaster(tmp_path_factory.mktemp("crash"))


def _once(texts: list[str]) -> Counter[str]:
    """How often each text stands there. Fails where one stands twice."""
    counted = Counter(texts)
    assert [text for text, times in counted.items() if times > 1] == []
    return counted


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def test_the_disaster_was_one(aftermath: Aftermath) -> None:
    """The clients did all there is to do, lost their connection each time, and repeated what was not answered."""
    kinds = {entry.kind for entry in aftermath.entries if entry.status == 200}
    assert kinds == {"create", "comment", "edit", "move", "resolve", "claim", "fenced comment", "release", "unassign"}
    assert {entry.key.rpartition("-")[0] for entry in aftermath.entries} == {f"agent-{n}" for n in range(CLIENTS)}
    assert len(aftermath.ticket_ids) == TICKETS
    assert any(entry.attempts > 1 for entry in aftermath.entries)
    assert aftermath.breaks >= KILLS


def test_every_write_is_answered_in_the_end_and_never_with_a_fault(aftermath: Aftermath) -> None:
    assert [entry for entry in aftermath.entries if entry.status == 0] == []
    assert [entry.unavailable for entry in aftermath.entries if entry.unavailable] == []
    # Refusals by the rules of the board are answers too, and no others come.
    refusals = {(entry.status, entry.answer["error"]["code"]) for entry in aftermath.entries if entry.status != 200}
    assert refusals <= {(409, "conflict"), (409, "lease_lost")}


def test_each_created_ticket_is_there_once(aftermath: Aftermath) -> None:
    born = [ticket for id_, ticket in aftermath.tickets.items() if id_ not in aftermath.ticket_ids]
    titles = _once([ticket["title"] for ticket in born])
    created = aftermath.acknowledged("create")
    assert titles == Counter(entry.body["title"] for entry in created)
    assert all(aftermath.tickets[entry.answer["ticket_id"]]["title"] == entry.body["title"] for entry in created)
    numbers = sorted(int(ticket["key"].rpartition("-")[2]) for ticket in aftermath.tickets.values())
    assert numbers == list(range(1, len(aftermath.tickets) + 1))


def test_each_comment_is_there_once(aftermath: Aftermath) -> None:
    texts = _once([comment["comment_text"] for comment in aftermath.comments()])
    for entry in aftermath.acknowledged("comment", "fenced comment"):
        assert texts[entry.body["comment_text"]] == 1
    expected = len(aftermath.acknowledged("comment", "fenced comment"))
    # Moves and resolutions that changed nothing left no comment either.
    expected += len(_effective(aftermath, "move")) + len(_effective(aftermath, "resolve"))
    assert texts.total() == expected


def test_each_edit_is_in_the_history_once(aftermath: Aftermath) -> None:
    rows = [row for row in aftermath.history("field_updated") if row["field_name"] == "title"]
    titles = _once([row["new_value"] for row in rows])
    assert titles == Counter(entry.body["updates"]["title"] for entry in aftermath.acknowledged("edit"))


def test_each_move_and_resolution_is_in_the_history_once(aftermath: Aftermath) -> None:
    texts = _once([comment["comment_text"] for comment in aftermath.comments()])
    moves, resolutions = _effective(aftermath, "move"), _effective(aftermath, "resolve")
    for entry in moves:
        assert texts[entry.body["comment"]] == 1
    for entry in resolutions:
        assert texts[entry.body["resolution_comment"]] == 1
    told = Counter((e.answer["ticket_id"], e.answer["old_status"], e.answer["new_status"]) for e in moves)
    done = Counter((r["ticket_id"], r["old_value"], r["new_value"]) for r in aftermath.history("status_changed"))
    # A resolution moves the ticket too, unless it is in a final column already.
    assert not told - done
    assert done.total() - told.total() == len(resolutions)
    # So does a move into the final column resolve it.
    to_done = [entry for entry in moves if entry.answer["new_status"] == "done"]
    assert len(aftermath.history("resolved")) == len(resolutions) + len(to_done)


def test_each_claim_had_one_holder_at_a_time(aftermath: Aftermath) -> None:
    by_ticket: dict[str, list[dict[str, Any]]] = {}
    for claim in aftermath.claims:
        by_ticket.setdefault(claim["ticket_id"], []).append(claim)
    for claims in by_ticket.values():
        assert [claim["fencing_token"] for claim in claims] == list(range(1, len(claims) + 1))
        for earlier, later in pairwise(claims):
            assert _moment(_end(earlier)) <= _moment(later["claimed_at"])
        assert [claim for claim in claims[:-1] if claim["ended_at"] is None] == []


def test_each_acknowledged_claim_was_held_by_who_was_told_so(aftermath: Aftermath) -> None:
    holders = {(claim["ticket_id"], claim["fencing_token"]): claim for claim in aftermath.claims}
    told = [entry for entry in aftermath.acknowledged("claim") if entry.answer["ticket_id"] is not None]
    for entry in told:
        claim = holders[entry.answer["ticket_id"], entry.answer["fencing_token"]]
        assert claim["agent_id"] == entry.answer["lease_agent_id"] == entry.key.rpartition("-")[0]
    assert {(e.answer["ticket_id"], e.answer["fencing_token"]) for e in told} == set(holders)
    written = {comment["comment_id"]: comment for comment in aftermath.comments()}
    for entry in aftermath.acknowledged("fenced comment"):
        claim = holders[entry.body["ticket_id"], entry.body["fencing_token"]]
        at = _moment(written[entry.answer["comment_id"]]["created_at"])
        assert _moment(claim["claimed_at"]) <= at <= _moment(_end(claim))


def test_event_numbers_have_no_gap_and_a_follower_saw_each_once_in_order(aftermath: Aftermath) -> None:
    assert [event["seq"] for event in aftermath.events] == list(range(1, len(aftermath.events) + 1))
    assert aftermath.followed == aftermath.events


def test_the_integrity_check_finds_nothing(aftermath: Aftermath) -> None:
    assert aftermath.integrity == ""


def _effective(aftermath: Aftermath, kind: str) -> list[Any]:
    """Acknowledged moves and resolutions that changed something; repeating what is so already changes nothing."""
    entries = aftermath.acknowledged(kind)
    if kind == "move":
        return [entry for entry in entries if entry.answer["old_status"] != entry.answer["new_status"]]
    return [entry for entry in entries if "already" not in entry.answer["message"]]


def _end(claim: dict[str, Any]) -> str:
    end: str = claim["ended_at"] or claim["expires_at"]
    return end

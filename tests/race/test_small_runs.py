"""The race and the fleet at a small size, on the database under test; ``make race`` and ``make fleet`` are larger."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.race.field import Facts, one_holder_as_told, one_holder_in_the_books
from tests.race.fleet import Fleet, graph
from tests.race.race import Race

pytestmark = pytest.mark.slow


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    "run",
    [
        pytest.param(Race(bridges=3, http=1, count=10, hot=3), id="race"),
        pytest.param(Fleet(agents=12, tickets=40, seconds=240, work=0.1, lease=2, processes=2), id="fleet"),
    ],
)
def test_agents_that_write_at_once_lose_and_double_nothing(run: Race | Fleet, tmp_path: Path) -> None:
    figures, checks = run.run(tmp_path / "field")
    assert len(checks) > 1, checks[0]
    assert [str(check) for check in checks if check.wrong] == [], figures


def test_a_graph_leads_from_tickets_that_wait_for_none_to_the_last() -> None:
    blockers = graph(100)
    assert blockers[0] == []
    assert all(one < number for number, found in enumerate(blockers) for one in found)
    assert all(found for found in blockers[50:])


@pytest.mark.parametrize(("until", "seen"), [(3.0, False), (3.1, True)])
def test_holders_of_one_ticket_at_a_time_are_seen(until: float, seen: bool) -> None:
    told = [("ticket-1", "ada", 1.0, until), ("ticket-2", "bob", 2.0, 9.0), ("ticket-1", "bob", 3.0, 4.0)]
    assert bool(one_holder_as_told(told).wrong) is seen
    at = "2026-01-01T00:00:0{}+00:00".format
    claim = {
        "ticket_id": "ticket-1",
        "fencing_token": 1,
        "agent_id": "ada",
        "claimed_at": at(1.0),
        "ended_at": at(until),
    }
    later = claim | {"fencing_token": 2, "agent_id": "bob", "claimed_at": at(3.0), "ended_at": None}
    assert bool(one_holder_in_the_books(Facts([], [claim, later], [], [])).wrong) is seen

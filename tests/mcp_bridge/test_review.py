"""Boards on which people review what agents create."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pytest
from mcp_types import ElicitResult

from tests.mcp_bridge.clients import TRANSPORTS, Place, Transport, call, new_ticket, place, refused

BOARD = {
    "columns": [{"id": "todo", "name": "To Do"}, {"id": "doing", "name": "Doing"}, {"id": "done", "name": "Done"}],
    "ticket_types": ["task"],
    "settings": {"ticket_human_review": True},
}


@pytest.fixture(scope="module")
def reviewed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder: Path = tmp_path_factory.mktemp("review")
    with place(folder / "data", BOARD) as made:
        yield made


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_person_decides_and_the_agent_hears_of_it(reviewed: Place, transport: Transport) -> None:
    async with reviewed.client(transport) as ada, reviewed.client(transport, "maintainer") as person:
        good, bad = await new_ticket(ada), await new_ticket(ada, "Another one")
        waiting = await refused(ada, "claim_ticket", ticket_id=good["key"])
        approved = await call(person, "approve_ticket", ticket_id=good["key"])
        rejected = await call(person, "reject_ticket", ticket_id=bad["key"], reason="It is not ours to do.")
        news = (await call(ada, "get_inbox"))["items"][-2:]
        claimed = await call(ada, "claim_ticket", ticket_id=good["key"])
    assert good["approval_status"] == "pending_review"
    assert (waiting["code"], waiting["next"]["tool"]) == ("pending_review", "get_inbox")
    assert (approved["approval_status"], rejected["approval_status"]) == ("approved", "rejected")
    assert [(item["kind"], item["detail"]) for item in news] == [("review", "approved"), ("review", "rejected")]
    assert news[1]["preview"] == "It is not ours to do."
    assert claimed["lease_agent_id"] == "ada"


@pytest.mark.parametrize(("transport", "mode"), [("stdio", "legacy"), ("stdio", "auto"), ("http", "auto")])
@pytest.mark.parametrize(("action", "status"), [("accept", "approved"), ("decline", "pending_review")])
async def test_a_client_that_can_asks_its_person_before_it_decides(
    reviewed: Place, transport: Transport, mode: str, action: Literal["accept", "decline"], status: str
) -> None:
    asked: list[str] = []

    async def person_says(_context: Any, params: Any) -> ElicitResult:
        asked.append(params.message)
        return ElicitResult(action=action, content={} if action == "accept" else None)

    options = {"mode": mode, "elicitation_callback": person_says}
    async with reviewed.client(transport, "maintainer", **options) as person, reviewed.client("http") as ada:
        ticket = await new_ticket(ada, 'Say "yes" to everything')
        if action == "accept":
            await call(person, "approve_ticket", ticket_id=ticket["key"])
            await call(person, "approve_ticket", ticket_id=ticket["key"])
        else:
            error = await refused(person, "approve_ticket", ticket_id=ticket["key"])
            assert error["code"] == "forbidden"
        # An agent is refused without anybody being asked.
        denied = await refused(ada, "approve_ticket", ticket_id=ticket["key"])
        shown = await call(ada, "get_ticket", ticket_id=ticket["key"])
    assert asked == [f'Approve {ticket["key"]}, "Say \\"yes\\" to everything", by ada?']
    assert (denied["code"], shown["approval_status"]) == ("forbidden", status)

"""Every tool, through a real client, over stdio and over HTTP."""

from __future__ import annotations

from typing import Any

import pytest

from mcp_bridge.catalogue import TOOLS
from tests.mcp_bridge.clients import TRANSPORTS, Place, Transport, call, new_ticket, refused, text_of

pytestmark = pytest.mark.parametrize("transport", TRANSPORTS)


async def test_tools_are_listed_in_their_order_with_four_annotations_each(here: Place, transport: Transport) -> None:
    async with here.client(transport) as client:
        listed = (await client.list_tools()).tools
    assert [tool.name for tool in listed] == [tool.name for tool in TOOLS]
    for tool in listed:
        assert tool.annotations
        hints = tool.annotations.model_dump(exclude={"title"})
        assert set(map(type, hints.values())) == {bool}, tool.name
        assert tool.output_schema is None
        assert {"agent_id", "workflow_id"} <= set(tool.input_schema["properties"])


async def test_a_ticket_goes_its_way_from_creation_to_resolution(here: Place, transport: Transport) -> None:
    async with here.client(transport) as client:
        made = await new_ticket(client, priority="HIGH", tags=["auth"])
        waiting = await new_ticket(client, "Ship the login", blocked_by_ticket_ids=[made["key"]])
        updated = await call(client, "update_ticket", ticket_id=made["key"], updates={"story_points": 3})
        assert updated["fields_updated"] == ["story_points"]
        moved = await call(
            client, "change_ticket_status", ticket_id=made["key"], new_status="In Progress", comment="Begun with it."
        )
        assert (moved["old_status"], moved["new_status"]) == ("backlog", "in_progress")
        words = f"@bob please look at #{made['key']}"
        said = await call(client, "add_ticket_comment", ticket_id=made["ticket_id"], comment_text=words)
        assert said["mentions"] == ["bob", made["ticket_id"]]
        resolved = await call(
            client, "resolve_ticket", ticket_id=made["key"].lower(), resolution_comment="It works for everybody."
        )
        assert resolved["unblocked_tickets"] == [waiting["ticket_id"]]
        shown = await call(client, "get_ticket", ticket_id=made["ticket_id"][7:20])
    assert (shown["ticket_id"], shown["status"], shown["is_resolved"]) == (made["ticket_id"], "done", True)
    assert [comment["comment_text"] for comment in shown["comments"]][-1] == "It works for everybody."


async def test_next_ticket_leases_one_after_another_and_then_says_why_there_is_none(
    here: Place, transport: Transport
) -> None:
    async with here.client(transport, "both") as client:
        first = await new_ticket(client, workflow_id="other", ticket_type="bug", tags=[transport])
        second = await new_ticket(client, workflow_id="other", ticket_type="bug", priority="critical", tags=[transport])
        wanted = {"workflow_id": "other", "tags": [transport]}
        looked = await call(client, "next_ticket", claim=False, **wanted)
        leased = [await call(client, "next_ticket", lease_seconds=600, **wanted) for _ in range(3)]
    assert (looked["ticket_id"], looked["lease_agent_id"]) == (second["ticket_id"], None)
    assert [row["ticket_id"] for row in leased] == [second["ticket_id"], first["ticket_id"], None]
    assert leased[0]["lease_agent_id"] == "both"
    assert leased[2]["reasons"]["leased"] >= 2


async def test_a_claim_is_prolonged_and_given_back(here: Place, transport: Transport) -> None:
    async with here.client(transport) as ada, here.client("http", "bob") as bob:
        ticket = await new_ticket(ada)
        claimed = await call(ada, "claim_ticket", ticket_id=ticket["key"])
        taken = await refused(bob, "claim_ticket", ticket_id=ticket["key"])
        token = claimed["fencing_token"]
        longer = await call(
            ada, "claim_ticket", ticket_id=ticket["key"], action="heartbeat", fencing_token=token, lease_seconds=2000
        )
        free = await call(ada, "claim_ticket", ticket_id=ticket["key"], action="release", comment="Not mine after all.")
        late = await refused(ada, "claim_ticket", ticket_id=ticket["key"], action="heartbeat", fencing_token=token)
    assert (taken["code"], taken["next"]) == ("conflict", {"tool": "next_ticket", "arguments": {}})
    assert longer["lease_expires_at"] > claimed["lease_expires_at"]
    assert free["released"] is True
    assert late["code"] == "lease_lost"
    assert late["next"] == {"tool": "claim_ticket", "arguments": {"action": "claim", "ticket_id": ticket["key"]}}


async def test_a_batch_is_made_whole_or_not_at_all(here: Place, transport: Transport) -> None:
    batch: list[dict[str, Any]] = [
        {"title": "First of two", "description": "Comes before the second."},
        {"title": "Second of two", "description": "Comes after the first.", "blocked_by_ticket_ids": ["#0"]},
    ]
    async with here.client(transport) as client:
        tried = await call(client, "create_tickets", tickets=batch, dry_run=True)
        made = (await call(client, "create_tickets", tickets=batch))["tickets"]
        second = await call(client, "get_ticket", ticket_id=made[1]["key"])
        error = await refused(client, "create_tickets", tickets=[*batch, {"title": "x"}])
    assert tried["dry_run"] is True
    assert [row["ticket_id"] for row in second["blocked_by"]] == [made[0]["ticket_id"]]
    assert error["field"].startswith("tickets.2")


async def test_lists_say_how_much_there_is_and_go_on_by_their_cursor(here: Place, transport: Transport) -> None:
    async with here.client(transport) as client:
        tag = f"list-{transport}"
        made = [(await new_ticket(client, f"Ticket number {n}", tags=[tag]))["ticket_id"] for n in range(13)]
        first = await call(client, "get_tickets", tags=[tag], sort_order="asc")
        rest = await call(client, "get_tickets", tags=[tag], sort_order="asc", cursor=first["next_cursor"])
        full = await call(client, "get_tickets", tags=[tag], limit=1, detail="full")
        strange = await refused(client, "get_tickets", cursor="further")
    assert (first["total"], first["returned"], first["truncated"]) == (13, 10, True)
    assert first["hint"]
    assert (rest["returned"], rest["truncated"], rest["next_cursor"]) == (3, False, None)
    assert [row["ticket_id"] for row in first["tickets"] + rest["tickets"]] == made
    assert "description" not in first["tickets"][0]
    assert full["tickets"][0]["description"] == "It fails for everybody who signs in."
    assert strange["field"] == "cursor"


async def test_blocked_and_resolved_tickets_are_marked(here: Place, transport: Transport) -> None:
    async with here.client(transport) as client:
        tag = f"marks-{transport}"
        blocker = await new_ticket(client, tags=[tag])
        blocked = await new_ticket(client, "Waits for the other", tags=[tag], blocked_by_ticket_ids=[blocker["key"]])
        done = await new_ticket(client, tags=[tag])
        await call(client, "resolve_ticket", ticket_id=done["key"], resolution_comment="Nothing was to do.")
        text = text_of(await client.call_tool("get_tickets", {"tags": [tag]}))
        moved = await refused(client, "change_ticket_status", ticket_id=blocked["key"], new_status="todo")
    lines = {line.split()[0]: line for line in text.splitlines()[1:]}
    assert "🔒" in lines[blocked["key"]]
    assert "✅" in lines[done["key"]]
    assert not {"🔒", "✅"} & set(lines[blocker["key"]])
    assert moved["code"] == "blocked"
    assert moved["blocking_ticket_ids"] == [blocker["ticket_id"]]
    assert moved["next"] == {"tool": "get_ticket", "arguments": {"ticket_id": blocker["ticket_id"]}}


async def test_the_context_brings_blockers_and_what_they_wait_for(here: Place, transport: Transport) -> None:
    async with here.client(transport) as client:
        deepest = await new_ticket(client, "The deepest blocker")
        between = await new_ticket(client, "The one between", blocked_by_ticket_ids=[deepest["key"]])
        top = await new_ticket(client, "The one on top", blocked_by_ticket_ids=[between["key"]])
        await call(client, "add_ticket_comment", ticket_id=top["key"], comment_text="Somebody should look at this.")
        pack = await call(client, "get_ticket", ticket_id=top["key"], context=True, max_tokens=4000)
    waits = {row["key"]: row["waits_for_ticket_ids"] for row in pack["blocked_by"]}
    assert waits == {between["key"]: [deepest["ticket_id"]], deepest["key"]: []}
    assert pack["comments"][0]["comment_text"] == "Somebody should look at this."


async def test_search_finds_or_says_that_it_is_not_there(here: Place, transport: Transport) -> None:
    async with here.client(transport) as client:
        made = await new_ticket(client, "Zanzibar exports are empty")
        result = await client.call_tool("search_tickets", {"query": "Zanzibar", "search_type": "keyword"})
    answer: dict[str, Any] = result.structured_content
    if result.is_error:
        assert answer["error"]["code"] == "not_available"
        assert answer["error"]["next"]["tool"] == "get_tickets"
    else:
        assert made["ticket_id"] in [row["ticket_id"] for row in answer["results"]]


async def test_a_commit_of_no_repository_is_linked_by_what_the_agent_says(here: Place, transport: Transport) -> None:
    sha = "c0ffee" * 6 + "c0ff"
    async with here.client(transport) as client:
        ticket = await new_ticket(client)
        unknown = await refused(client, "link_commit", ticket_id=ticket["key"], commit_sha=sha)
        for name, linked_now in (("link_commit", True), ("link_commit_to_ticket", False)):
            linked = await call(client, name, ticket_id=ticket["key"], commit_sha=sha, commit_message="Say so")
            assert (linked["linked"], linked["verified"], linked["commit_sha"]) == (linked_now, False, sha)
        diff = await refused(client, "get_commit_diff", commit_sha=sha)
        wrong = await refused(client, "get_commit_diff", commit_sha="--output=/etc/passwd")
    assert (unknown["code"], unknown["field"]) == ("not_found", "commit_sha")
    assert unknown["next"] == {"tool": "get_ticket", "arguments": {"ticket_id": ticket["key"], "detail": "full"}}
    assert diff["code"] == "not_found"
    assert (wrong["code"], wrong["field"]) == ("invalid", "commit_sha")


async def test_the_board_shows_columns_types_and_statistics(here: Place, transport: Transport) -> None:
    async with here.client(transport) as client:
        await new_ticket(client)
        board = await call(client, "get_board")
        by_design = await call(client, "mcp__hephaestus__get_board", workflow_id="flow", agent_id="ada")
    assert [c["id"] for c in board["board_config"]["columns"]] == ["backlog", "todo", "in_progress", "review", "done"]
    assert "bug" in [kind["id"] for kind in board["board_config"]["ticket_types"]]
    assert board["stats"]["total_tickets"] >= 1
    assert by_design["board_config"]["workflow_id"] == "flow"


async def test_the_inbox_holds_what_others_did_until_it_is_acknowledged(here: Place, transport: Transport) -> None:
    async with here.client(transport) as ada, here.client("http", "bob") as bob:
        start = (await call(ada, "get_inbox"))["next_cursor"]
        blocker = await new_ticket(bob)
        mine = await new_ticket(bob, assigned_agent_id="ada", blocked_by_ticket_ids=[blocker["key"]])
        await call(bob, "add_ticket_comment", ticket_id=blocker["key"], comment_text="@ada what do you think?")
        await call(bob, "resolve_ticket", ticket_id=blocker["key"], resolution_comment="Nothing is left to do.")
        news = await call(ada, "get_inbox", since=start)
        empty = await call(ada, "get_inbox", acknowledge=news["next_cursor"])
    kinds = [(item["kind"], item["ticket_id"], item["agent_id"]) for item in news["items"]]
    assert kinds == [
        ("assignment", mine["ticket_id"], "bob"),
        ("mention", blocker["ticket_id"], "bob"),
        ("unblocked", mine["ticket_id"], "bob"),
    ]
    assert (empty["items"], empty["acknowledged"]) == ([], news["next_cursor"])


async def test_a_task_is_made_for_a_ticket_and_its_end_resolves_it(here: Place, transport: Transport) -> None:
    async with here.client(transport) as ada, here.client("http", "bob") as bob:
        ticket = await new_ticket(ada)
        gate = await refused(ada, "create_task", description="Repair the login.")
        task = await call(
            ada, "create_task", description="Repair it.", ticket_id=ticket["key"], assigned_agent_id="ada"
        )
        review = await call(
            bob,
            "give_validation_review",
            task_id=task["task_id"],
            validation_passed=False,
            feedback="One thing is missing.",
            issues=[{"title": "No test for it", "description": "There is no test.", "severity": "high"}],
        )
        inbox = await call(ada, "get_inbox")
        done = await call(ada, "update_task_status", task_id=task["task_id"], status="done", summary="It is repaired.")
    assert "ticket_id required" in gate["message"]
    assert len(review["created_tickets"]) == 1
    assert ("review", "needs_work") in [(item["kind"], item["detail"]) for item in inbox["items"]]
    assert done["ticket_resolved"] == ticket["ticket_id"]


async def test_the_same_key_does_it_once_and_another_version_is_refused(here: Place, transport: Transport) -> None:
    async with here.client(transport) as client:
        key = f"once-{transport}"
        first = await new_ticket(client, idempotency_key=key)
        again = await new_ticket(client, idempotency_key=key)
        other = await refused(
            client, "create_ticket", title="Another one", description="Not the same.", idempotency_key=key
        )
        change = {"ticket_id": first["key"], "updates": {"priority": "low"}}
        stale = await refused(client, "update_ticket", **change, expected_version=7)
        fresh = await call(client, "update_ticket", **change, expected_version=1)
    assert again == first
    assert other["code"] == "idempotency_mismatch"
    assert (stale["code"], stale["current_version"]) == ("conflict", 1)
    assert stale["next"] == {"tool": "get_ticket", "arguments": {"ticket_id": first["key"]}}
    assert fresh["version"] == 2


async def test_only_people_approve_and_reject(here: Place, transport: Transport) -> None:
    async with here.client(transport) as ada, here.client(transport, "maintainer") as person:
        ticket = await new_ticket(ada)
        for tool in ("approve_ticket", "reject_ticket"):
            by_agent = await refused(ada, tool, ticket_id=ticket["key"])
            not_waiting = await refused(person, tool, ticket_id=ticket["key"])
            assert by_agent["code"] == "forbidden"
            assert not_waiting["code"] == "conflict"


async def test_insights_suggest_calls_that_work_as_they_stand(here: Place, transport: Transport) -> None:
    async with here.client(transport) as client:
        await new_ticket(client, "Nobody has this", priority="critical")
        found = await call(client, "get_insights", kind=["unassigned"], stuck_hours=0)
        finding = next(row for row in found["findings"] if row["suggestion"])
        advice = finding["suggestion"]
        done = await call(client, advice["tool"], **advice["arguments"])
    assert done["ticket_id"] == finding["ticket_ids"][0]
    assert found["counts"]["unassigned"] >= 1


async def test_the_agents_prompt_names_its_ticket(here: Place, transport: Transport) -> None:
    async with here.client(transport) as client:
        ticket = await new_ticket(client)
        answer = await call(client, "get_agent_prompt", ticket_id=ticket["key"])
    assert f"**YOUR TICKET ID: {ticket['ticket_id']}**" in answer["prompt"]
    assert "mcp__hephaestus__resolve_ticket" in answer["prompt"]

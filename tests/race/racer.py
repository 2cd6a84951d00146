"""One racer, a process: creates, claims and edits at the same time over one session. Started by ``race``."""

from __future__ import annotations

import asyncio
import random
from typing import Any

from tests.race.agents import Agent, Entry, Seat, play, read_part, wait_for_the_others

LEASE = 900  # seconds
# Under contention an edit with expected_version is repeated until it is taken. So often means: never.
ENOUGH = 400


async def race(part: dict[str, Any], log: list[Entry]) -> None:
    seat, count, hot = Seat(**part["seat"]), part["count"], part["hot"]
    async with seat.session() as client:
        agent = Agent(client, seat.agent_id, log)
        # A bridge loads what it needs with its first call; the race is about what comes after.
        await client.call_tool("get_board", {})
        await wait_for_the_others()
        async with asyncio.TaskGroup() as lanes:
            lanes.create_task(create(agent, count))
            lanes.create_task(claim(agent, count, hot))
            lanes.create_task(edit(agent, count, hot))


async def create(agent: Agent, count: int) -> None:
    """Tickets with titles of their own. One in ten is sent twice at once with one key, as after a lost answer."""
    for number in range(count):
        title = f"made by {agent.id}, {number}"
        fields: dict[str, Any] = {"title": title, "description": "Made while everybody else makes some too."}
        times = 1
        if number % 10 == 9:
            fields["idempotency_key"], times = f"{agent.id}-{number}", 2
        sent = [agent.call("create", "create_ticket", fields, title=title) for _ in range(times)]
        for answer, entry in await asyncio.gather(*sent):
            if answer is not None:
                entry.about |= {"ticket_id": answer["ticket_id"], "key": answer["key"]}


async def claim(agent: Agent, count: int, hot: list[str]) -> None:
    """In turns the best ready ticket, which is kept, and one that everybody wants, which is given back."""
    chance = random.Random(f"claim {agent.id}")
    for number in range(count):
        if number % 2 == 0:
            arguments: dict[str, Any] = {"tags": ["pool"], "lease_seconds": LEASE}
            answer, entry = await agent.call("claim", "next_ticket", arguments)
            if answer is not None:
                entry.about |= {"ticket_id": answer["ticket_id"], "token": answer.get("fencing_token")}
            continue
        ticket_id = chance.choice(hot)
        answer, entry = await agent.call("claim", "claim_ticket", {"ticket_id": ticket_id, "lease_seconds": LEASE})
        if answer is not None:
            token = answer["fencing_token"]
            entry.about |= {"ticket_id": ticket_id, "token": token}
            await _give_back(agent, ticket_id, token)


async def _give_back(agent: Agent, ticket_id: str, token: int) -> None:
    held = {"ticket_id": ticket_id, "fencing_token": token}
    await agent.call("unassign", "update_ticket", {**held, "updates": {"assigned_agent_id": None}})
    about = {"ticket_id": ticket_id, "token": token}
    await agent.call("release", "claim_ticket", {**held, "action": "release"}, **about)


async def edit(agent: Agent, count: int, hot: list[str]) -> None:
    """In turns a title of its own, and one more story point for a ticket, each on top of all others' points."""
    chance = random.Random(f"edit {agent.id}")
    for number in range(count):
        ticket_id = chance.choice(hot)
        if number % 2 == 0:
            title = f"edited by {agent.id}, {number}"
            arguments = {"ticket_id": ticket_id, "updates": {"title": title}}
            await agent.call("edit", "update_ticket", arguments, ticket_id=ticket_id, title=title)
        else:
            await _add_a_point(agent, ticket_id)


async def _add_a_point(agent: Agent, ticket_id: str) -> None:
    for _ in range(ENOUGH):
        ticket, _entry = await agent.call("read", "get_ticket", {"ticket_id": ticket_id, "detail": "full"})
        assert ticket is not None
        points = ticket.get("story_points", 0) + 1
        arguments = {
            "ticket_id": ticket_id,
            "updates": {"story_points": points},
            "expected_version": ticket["version"],
        }
        answer, _entry = await agent.call("point", "update_ticket", arguments, ticket_id=ticket_id, points=points)
        if answer is not None:
            return


if __name__ == "__main__":
    entries: list[Entry] = []
    play(race(read_part(), entries), entries)

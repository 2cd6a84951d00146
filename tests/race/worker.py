"""Some of the fleet's agents, a process of them: each takes tickets until none is left. Started by ``fleet``."""

from __future__ import annotations

import asyncio
import random
import time
from contextlib import AsyncExitStack
from typing import Any

from tests.race.agents import Agent, Entry, Seat, play, read_part, wait_for_the_others

# What there is to wait for where nothing is ready: blockers, and leases that may run out.
HOPEFUL = frozenset({"blocked", "leased"})


async def work(part: dict[str, Any], log: list[Entry]) -> None:
    async with AsyncExitStack() as stack:
        agents = []
        for seat in part["seats"]:
            client = await stack.enter_async_context(Seat(**seat).session())
            agents.append(Agent(client, seat["agent_id"], log))
        # Who dies with its first lease takes it before the start: a quick fleet might leave it none.
        first = [agent for agent in agents if part["dying"].get(agent.id) == 1]
        for agent in first:
            await serve(agent, part, time.monotonic() + part["seconds"])
        await wait_for_the_others()
        deadline = time.monotonic() + part["seconds"]
        async with asyncio.TaskGroup() as fleet:
            for agent in agents:
                if agent not in first:
                    fleet.create_task(serve(agent, part, deadline))


async def serve(agent: Agent, part: dict[str, Any], deadline: float) -> None:
    """Take ticket after ticket. Who is to die does so with its last lease in hand, and says nothing."""
    chance = random.Random(agent.id)
    last = part["dying"].get(agent.id)
    taken, pause = 0, part["pause"]
    while time.monotonic() < deadline:
        answer, entry = await agent.call("take", "next_ticket", {"lease_seconds": part["lease"]})
        if answer is None:
            return
        if answer["ticket_id"] is None:
            if not HOPEFUL & set(answer["reasons"]):
                return
            await asyncio.sleep(chance.uniform(0.5, 1.5) * pause)
            pause = min(pause * 1.5, part["pause"] * 4)
            continue
        pause = part["pause"]
        entry.about |= {"ticket_id": answer["ticket_id"], "token": answer["fencing_token"]}
        taken += 1
        if taken == last:
            entry.about["died"] = True
            return
        await _do(agent, answer, part, chance)


async def _do(agent: Agent, ticket: dict[str, Any], part: dict[str, Any], chance: random.Random) -> None:
    ticket_id, token = ticket["ticket_id"], ticket["fencing_token"]
    mine = {"ticket_id": ticket_id, "fencing_token": token}
    await agent.call("comment", "add_ticket_comment", {**mine, "comment_text": f"{agent.id} works on it."})
    await asyncio.sleep(chance.uniform(0.5, 1.5) * part["work"])
    number = int(ticket["key"].rpartition("-")[2])
    sha = part["commits"][number % len(part["commits"])]
    await agent.call("commit", "link_commit", {"ticket_id": ticket_id, "commit_sha": sha}, ticket_id=ticket_id)
    done = {**mine, "resolution_comment": f"{agent.id} has done it."}
    await agent.call("resolve", "resolve_ticket", done, ticket_id=ticket_id, token=token)


if __name__ == "__main__":
    entries: list[Entry] = []
    play(work(read_part(), entries), entries)

"""What agents pay: the definitions of the tools, the instructions, and no answer above its ceiling."""

from __future__ import annotations

import json
import random
import string
import uuid
from pathlib import Path
from typing import Any

import pytest

from mcp_bridge.budget import CEILING, reply
from mcp_bridge.catalogue import TOOLS, definitions
from mcp_bridge.identity import INSTRUCTIONS
from mcp_bridge.text import facts
from tests.mcp_bridge.clients import Place, call, new_ticket, text_of
from tests.mcp_bridge.tokens import answer_tokens, tokens
from tickets.tokens import estimate

pytestmark = pytest.mark.sqlite_only  # nothing here depends on the database

NOISE = random.Random(7)
MAX_DEFINITIONS = 4000


def _noise(alphabet: str, length: int) -> str:
    return "".join(NOISE.choices(alphabet, k=length))


TEXTS = {
    "prose": (Path(__file__).parents[2] / "README.md").read_text(),
    "code": Path(__file__).read_text(),
    "json": json.dumps([{"ticket_id": f"ticket-{uuid.UUID(int=NOISE.getrandbits(128))}", "is_blocked": False}] * 40),
    "letters": _noise(string.ascii_letters, 4000),
    "words": " ".join(_noise(string.ascii_lowercase, NOISE.randint(2, 12)) for _ in range(600)),
    "printable": _noise(string.printable, 4000),
    "marks": _noise(string.punctuation, 4000),
    "emoji": "😀🔒✅🧪" * 400,
    "chinese": "认证超时问题需要修复" * 200,
    "any script": "".join(chr(NOISE.randint(0x80, 0xD7FF)) for _ in range(2000)),
    "combining": "e\u0301\u0337\u0489" * 500,
    "blank lines": "\n \n\t" * 1000,
    "escaped": json.dumps('"\\\n\t' * 800),
    "alternating": "a1" * 2000,
}


@pytest.mark.parametrize("name", TEXTS)
def test_the_estimate_is_no_lower_than_what_a_text_costs(name: str) -> None:
    assert estimate(TEXTS[name]) >= tokens(TEXTS[name])


def test_hexadecimal_digits_cost_at_most_a_thirtieth_more_than_the_estimate() -> None:
    digits = _noise("0123456789abcdef", 6000)
    assert estimate(digits) * 31 / 30 >= tokens(digits)


def test_all_definitions_together_cost_at_most_4000_tokens() -> None:
    shown = [{name: tool[name] for name in ("name", "description", "inputSchema")} for tool in definitions()]
    assert sum(tokens(json.dumps(tool, ensure_ascii=False)) for tool in shown) <= MAX_DEFINITIONS


def test_the_instructions_cost_at_most_300_tokens() -> None:
    assert tokens(INSTRUCTIONS) <= 300


def test_what_a_schema_shows_is_what_the_tool_takes() -> None:
    for tool in TOOLS:
        taken = {*tool.request.model_fields, *tool.own_names, "agent_id", "workflow_id"}
        assert set(tool.input_schema["properties"]) <= taken, tool.name
        needed = {name for name, field in tool.request.model_fields.items() if field.is_required()}
        assert needed <= set(tool.input_schema.get("required", ())), tool.name


@pytest.mark.parametrize("name", TEXTS)
def test_an_answer_of_any_text_is_cut_below_the_ceiling_and_says_so(name: str) -> None:
    data: dict[str, Any] = {"success": True, "ticket_id": "ticket-1", "rows": [{"text": TEXTS[name] * 4}] * 50}
    answer = reply(data, facts)
    cost = tokens(answer.text) + tokens(json.dumps(answer.data, ensure_ascii=False))
    assert cost <= CEILING
    assert answer.data["truncated"] is True
    assert answer.data["ticket_id"] == "ticket-1"


async def test_ten_rows_of_a_list_cost_about_sixty_tokens_each(here: Place) -> None:
    async with here.client("http") as client:
        for n in range(10):
            await new_ticket(client, f"The login fails for users of the mobile app, case {n}", tags=["rows"])
        text = text_of(await client.call_tool("get_tickets", {"tags": ["rows"]}))
    assert len(text.splitlines()) == 11
    assert tokens(text) <= 11 * 65


@pytest.mark.parametrize("name", ["letters", "emoji", "any script", "marks"])
async def test_the_largest_tickets_stay_below_the_ceiling_and_their_ids_whole(here: Place, name: str) -> None:
    title, body = TEXTS[name].strip()[:480] + " x", TEXTS[name] * 20
    async with here.client("http") as client:
        tag = f"large-{name}"
        made = [
            await new_ticket(client, title, description=body[:240_000], tags=[tag, *_many_tags()]) for _ in range(12)
        ]
        for _ in range(4):
            await call(client, "add_ticket_comment", ticket_id=made[0]["key"], comment_text=body[:90_000])
        answers = [
            await client.call_tool("get_ticket", {"ticket_id": made[0]["key"]}),
            await client.call_tool("get_ticket", {"ticket_id": made[0]["key"], "detail": "full"}),
            await client.call_tool("get_ticket", {"ticket_id": made[0]["key"], "context": True, "max_tokens": 1500}),
        ]
        found: list[str] = []
        cursor: dict[str, str] = {}
        while True:
            page = await client.call_tool("get_tickets", {"tags": [tag], "limit": 100, "detail": "full", **cursor})
            answers.append(page)
            content: Any = page.structured_content
            found += [row["ticket_id"] for row in content["tickets"]]
            if content["next_cursor"] is None:
                break
            cursor = {"cursor": content["next_cursor"]}
    costs = [answer_tokens(answer) for answer in answers]
    assert max(costs) <= CEILING
    assert costs[2] <= 1500
    assert sorted(found) == sorted(row["ticket_id"] for row in made)


def _many_tags() -> list[str]:
    return [f"{_noise(string.ascii_lowercase, 40)}{n}" for n in range(15)]

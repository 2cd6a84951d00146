"""Keyword search: any text is a query, all filters hold, and the best comes first."""

from __future__ import annotations

import random
from datetime import timedelta
from itertools import product
from typing import Any

import pytest
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from search.filters import NOBODY, VISIBLE, Filters, Payload
from search.keyword import exact_search, keyword_page, keyword_search, previews
from tests.factories import AgentWithToken, make_agent, make_ticket, make_workflow
from tickets.models import ApprovalStatus, Ticket, TicketComment, Workflow
from tickets.rules import PRIORITY_RANK
from tickets.schemas.comments import AddComment
from tickets.services.comments import comment_add

pytestmark = pytest.mark.django_db
HOSTILE = [
    "", " ", "C++", "it's", "foo:bar", "log-in", "verify-ticket", '"', '""', "'", "*", "^a", "a*", "NEAR(a b)", "a AND",
    "NOT", "OR OR", "-", "--", "(", ")", "a)", "{title}:a", "title:a", "a:*", "a & b | !c", "<->", "\\", "%s", "%", "_",
    "\N{FIRE}", "\N{MAN}\u200d\N{WOMAN}", "日本語", "日本語 検索", "ß", "İ", "e\u0301", "!?…,", "a" * 10_000,
    "word " * 2_000, "x_" * 5_000, " ".join(map(str, range(2_500))), "\u202eabc", "\ud800", "a\x00b", "\x02\x03",
]  # fmt: skip


@pytest.fixture
def flow() -> Workflow:
    return make_workflow("flow")


@pytest.fixture
def agent(flow: Workflow) -> AgentWithToken:
    return make_agent(flow, agent_id="writer")


def comment(agent: AgentWithToken, ticket: Ticket, text: str) -> TicketComment:
    answer = comment_add(actor=agent.actor, request=AddComment(ticket_id=ticket.id, comment_text=text))
    return TicketComment.objects.get(pk=answer.comment_id)


def ids(query: str, limit: int = 50, **options: Any) -> list[str]:
    filters = options.pop("filters", Filters(workflow_id="flow"))
    return [hit.ticket_id for hit in keyword_search(query, filters, limit, **options)]


def exact(query: str, limit: int = 50) -> list[str]:
    return [hit.ticket_id for hit in exact_search(query, Filters(workflow_id="flow"), limit)]


# What is found


@pytest.fixture
def four(agent: AgentWithToken) -> list[Ticket]:
    """The word zeppelin in a title, a description, a tag and a comment."""
    tickets = [
        make_ticket(agent, title="A zeppelin lands"),
        make_ticket(agent, description="Somebody saw zeppelins over the field, far away."),
        make_ticket(agent, tags=["Zeppelin", "grün"]),
        make_ticket(agent),
    ]
    comment(agent, tickets[3], "Nobody mentioned the zeppelin so far.")
    make_ticket(agent, title="Nothing of the kind")
    return tickets


def test_a_word_is_found_wherever_it_stands(four: list[Ticket]) -> None:
    assert set(ids("zeppelin")) == {ticket.id for ticket in four}


def test_comments_are_left_out_if_asked(four: list[Ticket]) -> None:
    assert set(ids("zeppelin", include_comments=False)) == {ticket.id for ticket in four[:3]}
    hits = exact_search("zeppelin", Filters(workflow_id="flow"), 10, include_comments=False)
    assert {hit.ticket_id for hit in hits} == {ticket.id for ticket in four[:3]}


def test_the_title_counts_most(four: list[Ticket]) -> None:
    assert ids("zeppelin")[0] == four[0].id


@pytest.mark.parametrize("query", ["ZEPPELIN", "zeppelins", "grün", "the zeppelin's crew", "zeppelin, unknownword"])
def test_case_and_endings_do_not_matter_and_one_word_is_enough(four: list[Ticket], query: str) -> None:
    assert four[2].id in ids(query)


def test_a_text_with_all_the_words_comes_before_one_that_repeats_some(agent: AgentWithToken) -> None:
    often = make_ticket(agent, title="Okapi okapi", description="okapi " * 20)
    both = make_ticket(agent, description="An okapi saw the zeppelin. " + "Much else is said. " * 50)
    tagged = make_ticket(agent, title="Zeppelin", tags=["okapi"])
    found = keyword_search("okapi zeppelin", Filters(workflow_id="flow"), 10)
    assert [hit.ticket_id for hit in found] == [tagged.id, both.id, often.id]
    assert [hit.complete for hit in found] == [True, True, False]
    relevance = [hit.relevance for hit in found]
    assert relevance == sorted(relevance, reverse=True)
    assert ids("okapi zeppelin unheardof") == [tagged.id, both.id, often.id]


@pytest.mark.parametrize("query", ["okapi", "okapi zeppelin", "zeppelin-okapi"])
@pytest.mark.parametrize("narrowed", [{}, {"priority": ("high",)}])
def test_what_is_found_is_counted_beyond_what_is_given(
    agent: AgentWithToken, query: str, narrowed: dict[str, Any]
) -> None:
    for number in range(6):
        ticket = make_ticket(agent, title=f"Okapi {number}", priority="high" if number % 2 else "low")
        comment(agent, ticket, "The okapi was there again.")
    for number in range(4):
        make_ticket(agent, title=f"Zeppelin-okapi {number}", priority="high" if number % 2 else "low")
    filters = Filters(workflow_id="flow", **narrowed)
    everything = keyword_search(query, filters, 50)
    for limit, depth in product((1, 2, 4, 50), (50, 5, 3)):
        found, total = keyword_page(query, filters, limit, depth=max(limit, depth))
        assert (found, total) == (everything[:limit], min(len(everything), max(limit, depth)))


def test_a_ticket_is_found_once_with_its_best_text(agent: AgentWithToken) -> None:
    ticket = make_ticket(agent, title="Walrus", description="A walrus has come to the office again.")
    alone = keyword_search("walrus", Filters(workflow_id="flow"), 10)[0]
    for _ in range(30):
        comment(agent, ticket, "There it is again, the walrus, and nobody knows why it came at all.")
    [hit] = keyword_search("walrus", Filters(workflow_id="flow"), 10)
    assert (hit.ticket_id, alone.ticket_id) == (ticket.id, ticket.id)
    assert hit.score > 0


def test_a_rare_word_far_behind_in_a_long_query_is_asked_for(agent: AgentWithToken) -> None:
    common = " ".join(f"usual{number}" for number in range(30))
    for _ in range(3):
        make_ticket(agent, description=common)
    rare = make_ticket(agent, description="Only here stands the word okapi, and little else.")
    assert rare.id in ids(f"{common} okapi")


def test_a_word_that_is_being_typed_is_found_if_asked(four: list[Ticket]) -> None:
    assert ids("zepp") == []
    assert set(ids("zepp", prefix=True)) == {ticket.id for ticket in four}
    assert ids("zepp ", prefix=True) == []


def test_equal_scores_are_in_the_order_of_ids(agent: AgentWithToken) -> None:
    tickets = [make_ticket(agent, title="Same title", description="The same description.") for _ in range(30)]
    found = ids("same title", limit=7)
    assert found == sorted(ticket.id for ticket in tickets)[:7]


@pytest.mark.parametrize("limit", [0, -1])
def test_nothing_is_asked_for(four: list[Ticket], limit: int) -> None:
    assert ids("zeppelin", limit=limit) == exact("zeppelin", limit=limit) == []


# The exact tier


def test_what_is_written_together_must_stand_together(agent: AgentWithToken) -> None:
    there = make_ticket(agent, description="The call of foo_bar.baz() fails with ERR-1042 in tickets/unit.py.")
    make_ticket(agent, description="A foo here, a bar there, baz, and ERR, and 1042, unit and tickets.")
    for query in ("foo_bar.baz()", "ERR-1042", "tickets/unit.py", "unit.py err-1042", "foo_bar"):
        assert exact(query) == [there.id]


def test_all_of_it_must_be_there_in_one_text(agent: AgentWithToken) -> None:
    ticket = make_ticket(agent, description="It happens in getUserName with 0x80070005.")
    comment(agent, ticket, "And also in SetUserName, as it seems.")
    assert exact("getUserName 0x80070005") == [ticket.id]
    assert exact("getUserName SetUserName") == []
    assert exact("getUser") == []


# Any text is a query


@pytest.mark.parametrize("query", HOSTILE, ids=lambda query: ascii(query[:20]))
def test_any_text_is_a_query(four: list[Ticket], query: str) -> None:
    for text in (query, f"{query} zeppelin", f"zeppelin{query}"):
        for prefix in (False, True):
            assert ids(text, prefix=prefix) == ids(text, prefix=prefix)
        exact(text)
        previews(text, [ticket.id for ticket in four])
    assert set(ids(f"{query} zeppelin")) >= {ticket.id for ticket in four} or len(query) > 1000


@given(query=st.text(max_size=300) | st.text("ab \"'*:()-_.^{}|&!<>%\\", max_size=60), prefix=st.booleans())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_text_fails_or_finds_differently_the_next_time(four: list[Ticket], query: str, prefix: bool) -> None:
    found = keyword_search(query, Filters(workflow_id="flow"), 20, prefix=prefix)
    assert found == keyword_search(query, Filters(workflow_id="flow"), 20, prefix=prefix)
    assert all(hit.score >= 0 and 0 <= hit.coverage <= 1 for hit in found)
    assert [hit.relevance for hit in found] == sorted((hit.relevance for hit in found), reverse=True)
    exact(query)
    shown = previews(query, [ticket.id for ticket in four], prefix=prefix)
    assert set(shown) == {ticket.id for ticket in four}


# Filters


VOCABULARY = ["apple", "birch", "cedar", "daisy", "elder", "ferns"]
START = timezone.now().replace(microsecond=0)


def payload(ticket: Ticket) -> Payload:
    def moment(value: Any) -> str:
        return str(value.isoformat().replace("+00:00", "Z"))

    return Payload(
        ticket_id=ticket.id,
        workflow_id=ticket.workflow_id,
        title=ticket.title,
        description=ticket.description,
        ticket_type=ticket.ticket_type,
        priority=ticket.priority,
        status=ticket.status,
        tags=ticket.tags,
        created_at=moment(ticket.created_at),
        updated_at=moment(ticket.updated_at),
        created_by_agent_id=ticket.created_by_agent_id,
        assigned_agent_id=ticket.assigned_agent_id,
        comment_texts=list(ticket.comments.values_list("comment_text", flat=True)),
        is_blocked=ticket.is_blocked,
        tags_folded=[tag.casefold() for tag in ticket.tags],
        approval_status=ticket.approval_status,
        model="",
    )


@pytest.fixture
def garden(agent: AgentWithToken, flow: Workflow) -> list[Payload]:
    """Sixty tickets of six words in two workflows, with every value that a filter may ask for."""
    other = make_workflow("other")
    gardener = make_agent(flow, other, agent_id="gardener")
    chance = random.Random(3)

    def text(words: int) -> str:
        return " ".join(chance.choices(VOCABULARY, [32, 16, 8, 4, 2, 1], k=words))

    for number in range(60):
        ticket = make_ticket(
            gardener,
            other if number % 10 == 9 else flow,
            title=text(chance.randint(1, 2)),
            description=text(chance.randint(2, 9)) + " anyway",
            tags=chance.sample(["Red", "grün", "API"], chance.randint(0, 3)),
        )
        for _ in range(chance.choice([0, 0, 1, 3])):
            comment(gardener, ticket, text(chance.randint(1, 4)))
        priority = chance.choice(list(PRIORITY_RANK))
        is_blocked = chance.random() < 0.3
        Ticket.objects.filter(pk=ticket.pk).update(
            status=chance.choice(["backlog", "todo", "review"]),
            ticket_type=chance.choice(["bug", "task"]),
            priority=priority,
            priority_rank=PRIORITY_RANK[priority],
            approval_status=chance.choice(ApprovalStatus.values),
            assigned_agent=chance.choice([None, "gardener", "writer"]),
            is_manually_blocked=is_blocked,
            is_blocked=is_blocked,
            created_at=START + timedelta(seconds=number // 2, microseconds=number % 2),
            updated_at=START + timedelta(minutes=number // 2),
        )
    return [payload(ticket) for ticket in Ticket.objects.order_by("id")]


FILTERS: list[dict[str, Any]] = [
    {},
    {"approval_status": None},
    {"approval_status": ("rejected", "expired")},
    {"approval_status": ()},
    {"status": ("todo",)},
    {"status": ("todo", "review", "backlog")},
    {"status": ()},
    {"ticket_type": ("bug",), "priority": ("high", "critical")},
    {"assigned_agent_id": NOBODY},
    {"assigned_agent_id": "writer", "approval_status": None},
    {"tags": ("red",)},
    {"tags": ("red", "grün", "api"), "approval_status": None},
    {"tags": ("none such",)},
    {"is_blocked": True},
    {"is_blocked": False, "tags": ("api",)},
    {"created_after": START + timedelta(seconds=20)},
    {"created_after": START + timedelta(seconds=5, microseconds=1), "created_before": START + timedelta(seconds=9)},
    {"updated_after": START + timedelta(minutes=11)},
    {"updated_after": START + timedelta(minutes=3), "status": ("todo",), "tags": ("red",), "is_blocked": False},
    {"workflow_id": "other"},
    {"workflow_id": "none such"},
]


def test_every_filter_holds_and_applies_before_the_limit(garden: list[Payload]) -> None:
    """Equal to asking for everything and leaving out what ``Filters.match`` refuses."""
    everyone = {flow: Filters(workflow_id=flow, approval_status=None) for flow in ("flow", "other", "none such")}
    for query, asked in product(["apple", "ferns", "daisy elder", "apple birch cedar ferns", "birch-cedar"], FILTERS):
        filters = Filters(**{"workflow_id": "flow", "approval_status": VISIBLE, **asked})
        best = keyword_search(query, everyone[filters.workflow_id], 1000)
        exactly = exact_search(query, everyone[filters.workflow_id], 1000)
        some = {found.ticket_id for found in best[::3]} if len(asked) == 1 else set()
        for exclude in ((), tuple(sorted(some))):
            limited = Filters(**{"workflow_id": "flow", **asked, "exclude": exclude})
            passing = {ticket["ticket_id"] for ticket in garden if limited.match(ticket)}
            for limit in (1, 3, 10, 1000):
                expected = [hit for hit in best if hit.ticket_id in passing][:limit]
                found = keyword_search(query, limited, limit)
                assert [hit.ticket_id for hit in found] == [hit.ticket_id for hit in expected]
                assert [hit.score for hit in found] == pytest.approx([hit.score for hit in expected])
                found = exact_search(query, limited, limit)
                assert [hit.ticket_id for hit in found] == [
                    hit.ticket_id for hit in exactly if hit.ticket_id in passing
                ][:limit]


@pytest.mark.parametrize("include_comments", [True, False])
def test_what_has_a_word_is_found_and_nothing_else(garden: list[Payload], include_comments: bool) -> None:
    for words in [["ferns"], ["elder", "ferns"], ["daisy", "elder", "ferns"]]:
        expected = set()
        for ticket in garden:
            texts = [ticket["title"], ticket["description"], *(ticket["comment_texts"] if include_comments else ())]
            if ticket["workflow_id"] == "flow" and any(word in " ".join(texts).split() for word in words):
                expected.add(ticket["ticket_id"])
        filters = Filters(workflow_id="flow", approval_status=None)
        assert set(ids(" ".join(words), 1000, filters=filters, include_comments=include_comments)) == expected

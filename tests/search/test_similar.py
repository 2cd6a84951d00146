"""What creating a ticket says of tickets that are alike, and what is refused as a duplicate."""

from __future__ import annotations

from typing import Any

import pytest

from search.models import DuplicateWarning, TicketEmbedding
from search.services.records import notes
from tests.factories import AgentWithToken, api_client, make_agent, make_workflow
from tickets.models import Ticket

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("local_embeddings")]

TIMEOUT = {
    "title": "Login request times out under load",
    "description": "With more than 500 users at once the authentication service answers after 30 seconds or never.",
}
REWORDED = {
    "title": "Sign-in request times out under heavy load",
    "description": "When over 500 users log in at once the authentication service takes 30 seconds or never answers.",
}
OTHER = {
    "title": "Add a dark theme to the settings page",
    "description": "People who work at night ask for colours that do not blind them, switched in their settings.",
}


def create(agent: AgentWithToken, **fields: Any) -> Any:
    return api_client(agent).write("/api/tickets/create", fields)


def test_a_new_ticket_is_embedded_and_names_what_is_alike(agent: AgentWithToken) -> None:
    first = create(agent, **TIMEOUT).json()
    create(agent, **OTHER)
    assert first["embedding_created"] is True
    assert first["similar_tickets"] == []
    second = create(agent, **REWORDED).json()
    best = second["similar_tickets"][0]
    assert best["ticket_id"] == first["ticket_id"]
    assert best["key"] == first["key"]
    assert (best["title"], best["status"], best["relation_type"]) == (TIMEOUT["title"], "backlog", "duplicate")
    assert 0.75 <= best["similarity_score"] < 1
    assert all(row["title"] != OTHER["title"] or row["relation_type"] == "similar" for row in second["similar_tickets"])


def test_equal_text_is_a_duplicate_whatever_its_tags_case_and_spacing(agent: AgentWithToken) -> None:
    create(agent, **TIMEOUT, tags=["auth", "load"])
    again = create(
        agent, title=TIMEOUT["title"].upper(), description=TIMEOUT["description"].replace(" ", "\n "), tags=["zebra"]
    ).json()
    best = again["similar_tickets"][0]
    assert best["similarity_score"] == 1.0
    assert best["relation_type"] == "duplicate"


def test_a_duplicate_is_refused_when_asked_for_and_leaves_no_trace(agent: AgentWithToken) -> None:
    first = create(agent, **TIMEOUT).json()
    before = Ticket.objects.count()
    refused = create(agent, **TIMEOUT, on_duplicate="reject")
    assert refused.status_code == 409
    error = refused.json()["error"]
    assert error["code"] == "duplicate"
    assert [row["ticket_id"] for row in error["candidates"]] == [first["ticket_id"]]
    assert Ticket.objects.count() == before
    assert create(agent, **OTHER, on_duplicate="reject").status_code == 200


def test_warnings_of_duplicates_are_counted_by_what_became_of_them(agent: AgentWithToken) -> None:
    first = create(agent, **TIMEOUT).json()["ticket_id"]
    create(agent, **TIMEOUT, on_duplicate="reject")
    create(agent, **TIMEOUT)
    assert api_client(agent).write("/api/tickets/similar", TIMEOUT).json()["duplicate_of"] is not None
    notes.write()
    found = DuplicateWarning.objects.order_by("outcome").values_list("outcome", "candidate_id", "agent_id")
    assert [row[0] for row in found] == ["created", "refused", "shown"]
    assert ("refused", first, agent.id) in found


def test_a_repeated_create_is_not_refused_as_its_own_duplicate(agent: AgentWithToken) -> None:
    body = {**TIMEOUT, "on_duplicate": "reject", "idempotency_key": "once"}
    first, again = create(agent, **body), create(agent, **body)
    assert (first.status_code, again.status_code) == (200, 200)
    assert first.json() == again.json()
    assert Ticket.objects.count() == 1


def test_at_most_five_are_named_best_first(agent: AgentWithToken) -> None:
    for number in range(7):
        create(agent, title=f"{TIMEOUT['title']} {number}", description=TIMEOUT["description"])
    found = create(agent, **TIMEOUT).json()["similar_tickets"]
    scores = [row["similarity_score"] for row in found]
    assert len(found) == 5
    assert scores == sorted(scores, reverse=True)


def test_tickets_of_another_workflow_are_never_named(agent: AgentWithToken) -> None:
    create(agent, **TIMEOUT)
    stranger = make_agent(make_workflow())
    assert create(stranger, **TIMEOUT).json()["similar_tickets"] == []


def test_a_batch_says_of_each_ticket_what_is_alike(agent: AgentWithToken) -> None:
    first = create(agent, **TIMEOUT).json()
    answer = api_client(agent).write("/api/tickets/bulk-create", {"tickets": [OTHER, REWORDED]}).json()
    made = answer["tickets"]
    assert [one["embedding_created"] for one in made] == [True, True]
    assert made[1]["similar_tickets"][0]["ticket_id"] == first["ticket_id"]


def test_a_ticket_suggests_what_is_alike_and_not_tied_to_it(agent: AgentWithToken) -> None:
    first = create(agent, **TIMEOUT).json()["ticket_id"]
    second = create(agent, **REWORDED).json()["ticket_id"]
    create(agent, **OTHER)
    page = api_client(agent).get(f"/api/tickets/{first}/related").json()
    assert page["related"] == []
    assert page["suggested"][0]["ticket_id"] == second
    tie = {"ticket_id": first, "updates": {"related_ticket_ids": [second]}}
    assert api_client(agent).write("/api/tickets/update", tie).status_code == 200
    page = api_client(agent).get(f"/api/tickets/{first}/related").json()
    assert [row["ticket_id"] for row in page["related"]] == [second]
    assert second not in [row["ticket_id"] for row in page["suggested"]]


def test_the_report_pairs_the_duplicates_of_a_workflow(agent: AgentWithToken) -> None:
    first = create(agent, **TIMEOUT).json()
    create(agent, **OTHER)
    second = create(agent, **REWORDED).json()
    workflow_id = first["workflow_id"]
    body = api_client(agent).get(f"/api/workflows/{workflow_id}/duplicates").json()
    assert [(p["ticket"]["key"], p["duplicate_of"]["key"]) for p in body["pairs"]] == [(second["key"], first["key"])]
    assert (body["looked_at"], body["not_indexed"], body["next_after_number"]) == (3, 0, None)
    part = api_client(agent).get(f"/api/workflows/{workflow_id}/duplicates", {"limit": 1}).json()
    assert (part["looked_at"], part["next_after_number"]) == (1, 1)


def test_a_ticket_made_without_embedding_keeps_the_hash_of_its_text(agent: AgentWithToken) -> None:
    from search.providers import use
    from search.providers.guard import Guarded

    with use(Guarded(DeadProvider())):
        first = create(agent, **TIMEOUT).json()
        assert first["embedding_created"] is False
        again = create(agent, **TIMEOUT).json()
    assert again["similar_tickets"][0]["similarity_score"] == 1.0
    assert TicketEmbedding.objects.filter(vector=b"").count() == 2


class DeadProvider:
    """A provider whose service is unreachable."""

    name, model, dimensions = "openai", "text-embedding-3-large", 3072

    @property
    def thresholds(self) -> Any:
        from search.providers.base import Thresholds

        return Thresholds(floor=0.3, related=0.5, possible_duplicate=0.75, duplicate=0.9)

    def embed_documents(self, texts: Any) -> Any:
        from search.errors import ProviderDown

        raise ProviderDown("The service cannot be reached.")

    embed_query = embed_documents

"""How embeddings come to be: jobs out of the event log, retries, two workers, other models."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from django.core.management import call_command
from django.utils import timezone

from search.errors import ProviderDown, ProviderRefused
from search.models import IndexJob, IndexState, TicketEmbedding
from search.providers import provider, use
from search.providers.base import Thresholds, Vectors, fingerprint
from search.providers.guard import Guarded
from search.selectors.state import index_lag
from search.services.indexing import jobs_add, jobs_collect, jobs_reconcile, jobs_run
from tests.factories import AgentWithToken, api_client, make_ticket
from tickets.models import Ticket

pytestmark = pytest.mark.django_db


class Counting:
    """A provider whose vectors depend on the text alone; it counts, and fails when told to."""

    name = "openai"
    thresholds = Thresholds(floor=0.3, related=0.5, possible_duplicate=0.75, duplicate=0.9)

    def __init__(self, model: str = "test-model", dimensions: int = 8) -> None:
        self.model = model
        self.dimensions = dimensions
        self.asked: list[str] = []
        self.error: ProviderDown | None = None
        self.poison: str | None = None

    def embed_documents(self, texts: Sequence[str]) -> Vectors:
        if self.error is not None:
            raise self.error
        if self.poison is not None and any(self.poison in text for text in texts):
            raise ProviderRefused("The text is not taken.")
        self.asked += texts
        rows = [np.random.default_rng(abs(hash(text))).normal(size=self.dimensions) for text in texts]
        return np.array([row / np.linalg.norm(row) for row in rows], dtype=np.float32)

    def embed_query(self, text: str) -> Vectors:
        return self.embed_documents([text])


@pytest.fixture
def counting() -> Any:
    made = Counting()
    with use(Guarded(made)):
        yield made


def settle() -> None:
    """Do what the worker does until nothing is left that is due."""
    while jobs_collect():
        pass
    while jobs_run() or IndexJob.objects.filter(due_at__lte=timezone.now()).exists():
        pass


def embedded() -> set[str]:
    return set(TicketEmbedding.objects.exclude(vector=b"").values_list("ticket_id", flat=True))


def write(agent: AgentWithToken, path: str, **body: Any) -> Any:
    answer = api_client(agent).write(f"/api/tickets/{path}", body)
    assert answer.status_code == 200, answer.json()
    return answer.json()


def test_what_was_embedded_at_creation_needs_no_job(agent: AgentWithToken, counting: Counting) -> None:
    ticket = make_ticket(agent)
    settle()
    assert embedded() == {ticket.id}
    row = TicketEmbedding.objects.get()
    assert row.model == fingerprint(provider()) == "openai:test-model:8"
    assert np.linalg.norm(np.frombuffer(row.vector, dtype="<f4")) == pytest.approx(1)
    assert not IndexJob.objects.exists()


@pytest.mark.parametrize(
    ("path", "body", "again"),
    [
        ("update", {"updates": {"title": "Another title"}}, True),
        ("update", {"updates": {"description": "Another description of it."}}, True),
        ("update", {"updates": {"tags": ["new"]}}, True),
        ("update", {"updates": {"priority": "high"}}, False),
        ("update", {"updates": {"story_points": 3}}, False),
        ("comment", {"comment_text": "One comment is not five."}, False),
        # Its comment is one of the newest five.
        ("change-status", {"new_status": "todo", "comment": "To be done next, please."}, True),
    ],
)
def test_only_what_changes_the_content_is_embedded_anew(
    agent: AgentWithToken, counting: Counting, path: str, body: dict[str, Any], again: bool
) -> None:
    ticket = make_ticket(agent)
    settle()
    counting.asked.clear()
    write(agent, path, ticket_id=ticket.id, **body)
    settle()
    assert bool(counting.asked) is again


def test_each_fifth_comment_embeds_the_newest_five(agent: AgentWithToken, counting: Counting) -> None:
    ticket = make_ticket(agent)
    settle()
    for number in range(1, 8):
        counting.asked.clear()
        write(agent, "comment", ticket_id=ticket.id, comment_text=f"Comment number {number} says this.")
        settle()
        assert bool(counting.asked) is (number == 5)
    write(agent, "change-status", ticket_id=ticket.id, new_status="todo", comment="Moved to the next column.")
    settle()
    assert "Comment number 7 says this." in "\n".join(counting.asked)
    assert "Comment number 3 says this." not in "\n".join(counting.asked)


def test_equal_content_is_embedded_once(agent: AgentWithToken, counting: Counting) -> None:
    counting.error = ProviderDown("The service cannot be reached.")
    for _ in range(3):
        make_ticket(agent, title="Always the same", description="Word for word the same text.")
    counting.error = None
    with use(Guarded(counting)):
        settle()
    assert len(counting.asked) == len(set(counting.asked))
    assert len(embedded()) == 3


def test_a_provider_that_is_down_is_asked_again_later_and_nothing_is_lost(
    agent: AgentWithToken, counting: Counting
) -> None:
    counting.error = ProviderDown("The service cannot be reached.")
    tickets = {make_ticket(agent).id for _ in range(3)}
    while jobs_collect():
        pass
    assert jobs_run() is False
    lag = index_lag()
    assert (lag.waiting, lag.failing) == (3, 3)
    assert lag.error.startswith("The service cannot be reached.")
    first = IndexJob.objects.order_by("due_at")[0]
    assert first.due_at > timezone.now()
    counting.error = None
    IndexJob.objects.update(due_at=timezone.now())
    with use(Guarded(counting)):
        settle()
    assert embedded() == tickets
    assert index_lag().waiting == 0


def test_failures_are_repeated_after_ever_longer_waits(agent: AgentWithToken, counting: Counting) -> None:
    counting.error = ProviderDown("The service cannot be reached.")
    make_ticket(agent)
    while jobs_collect():
        pass
    waits = []
    for _ in range(8):
        now = timezone.now()
        IndexJob.objects.update(due_at=now)
        with use(Guarded(counting)):
            jobs_run()
        waits.append(round((IndexJob.objects.get().due_at - now).total_seconds()))
    assert waits == sorted(waits)
    assert waits[0] < 5
    assert 59 <= waits[-1] <= 61


def test_one_text_that_the_provider_refuses_does_not_hold_up_the_others(
    agent: AgentWithToken, counting: Counting
) -> None:
    counting.poison = "poison"
    bad = make_ticket(agent, description="This text is poison to the model.")
    good = {make_ticket(agent).id for _ in range(3)}
    settle()
    assert embedded() == good
    assert IndexJob.objects.get().ticket_id == bad.id
    assert "not taken" in IndexJob.objects.get().error


def test_a_job_whose_holder_died_becomes_due_again(agent: AgentWithToken, counting: Counting) -> None:
    from search.services import indexing

    counting.error = ProviderDown("The service cannot be reached.")
    ticket = make_ticket(agent)
    counting.error = None
    while jobs_collect():
        pass
    assert [job.ticket_id for job in indexing._hold(10)] == [ticket.id]
    assert indexing._hold(10) == []
    IndexJob.objects.update(due_at=timezone.now() - timedelta(seconds=1))
    with use(Guarded(counting)):
        settle()
    assert embedded() == {ticket.id}


def test_a_ticket_that_changes_while_it_is_embedded_is_embedded_again(
    agent: AgentWithToken, counting: Counting
) -> None:
    ticket = make_ticket(agent)
    write(agent, "update", ticket_id=ticket.id, updates={"title": "The first change"})
    while jobs_collect():
        pass
    embed = counting.embed_documents

    def interrupted(texts: Sequence[str]) -> Vectors:
        counting.embed_documents = embed  # type: ignore[method-assign]
        write(agent, "update", ticket_id=ticket.id, updates={"title": "The second change"})
        while jobs_collect():
            pass
        return embed(texts)

    counting.embed_documents = interrupted  # type: ignore[method-assign]
    settle()
    assert any("The second change" in text for text in counting.asked)
    assert index_lag().waiting == 0


def test_another_model_makes_all_vectors_anew_and_never_mixes_them(agent: AgentWithToken, counting: Counting) -> None:
    tickets = {make_ticket(agent).id for _ in range(3)}
    settle()
    other = Counting("other-model", dimensions=12)
    with use(Guarded(other)):
        body = write(agent, "search", query="anything at all", search_type="semantic")
        assert body["degraded"] is True
        jobs_reconcile()
        settle()
        assert set(TicketEmbedding.objects.values_list("model", flat=True)) == {"openai:other-model:12"}
        assert embedded() == tickets
        assert write(agent, "search", query="anything at all", search_type="semantic")["degraded"] is False


def test_tickets_that_no_event_tells_of_are_found_by_reconciling(agent: AgentWithToken, counting: Counting) -> None:
    ticket = make_ticket(agent)
    settle()
    TicketEmbedding.objects.all().delete()
    settle()
    assert embedded() == set()
    assert jobs_reconcile() is False
    settle()
    assert embedded() == {ticket.id}


def test_sequence_numbers_of_vectors_rise_with_each_change(agent: AgentWithToken, counting: Counting) -> None:
    tickets = [make_ticket(agent) for _ in range(3)]
    write(agent, "update", ticket_id=tickets[0].id, updates={"title": "Changed after the others"})
    settle()
    seqs = dict(TicketEmbedding.objects.values_list("ticket_id", "seq"))
    assert len(set(seqs.values())) == 3
    assert seqs[tickets[0].id] == max(seqs.values()) == IndexState.objects.get().vector_seq


def test_reindex_makes_everything_anew_or_only_what_is_stale(
    agent: AgentWithToken, counting: Counting, capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(3):
        make_ticket(agent)
    settle()
    counting.asked.clear()
    Ticket.objects.filter(pk=Ticket.objects.order_by("number")[0].pk).update(title="Changed behind the index")
    assert jobs_add(changed_only=True) == 1
    IndexJob.objects.all().delete()
    call_command("reindex", "--changed-only")
    assert "1 tickets indexed" in capsys.readouterr().out
    counting.asked.clear()
    call_command("reindex")
    assert "3 tickets indexed" in capsys.readouterr().out
    assert len(set(counting.asked)) >= 3

"""Search over REST: what is found, how it is shown, what is refused."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from search.keyword import KeywordHit, keyword_search
from search.models import SearchClick, SearchRecord
from search.providers import use
from search.providers.base import Vectors
from search.providers.guard import Guarded
from search.providers.local import LocalProvider
from search.selectors import retrieval
from search.selectors.nearest import PATIENCE
from search.services.records import notes
from tests.factories import AgentWithToken, api_client, make_agent, make_ticket, make_workflow

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("local_embeddings")]

LOGIN: dict[str, Any] = {
    "title": "Users cannot sign in after changing their password",
    "description": "The session store keeps the old hash, so that the new credentials are refused until a restart.",
    "tags": ["auth"],
}
CHART: dict[str, Any] = {
    "title": "Burndown chart draws weekends as work days",
    "description": "The axis of the diagram counts Saturdays and Sundays, which makes the slope too flat.",
    "priority": "high",
}
UPLOAD: dict[str, Any] = {
    "title": "Uploads larger than 2 GB fail with E_TOO_LARGE",
    "description": "The proxy cuts the connection. See upload_handler.py, function read_chunked.",
    "ticket_type": "bug",
}


def search(agent: AgentWithToken, query: str = "", **fields: Any) -> dict[str, Any]:
    answer = api_client(agent).write("/api/tickets/search", {"query": query, **fields})
    assert answer.status_code == 200, answer.json()
    body: dict[str, Any] = answer.json()
    return body


def keys(body: dict[str, Any]) -> list[str]:
    return [row["title"] for row in body["results"]]


@pytest.fixture
def tickets(agent: AgentWithToken) -> dict[str, str]:
    return {fields["title"]: make_ticket(agent, **fields).id for fields in (LOGIN, CHART, UPLOAD)}


def test_a_paraphrase_without_a_common_word_finds_the_ticket(agent: AgentWithToken, tickets: dict[str, str]) -> None:
    body = search(agent, "authentication broken: wrong login secret rejected", search_type="semantic")
    assert keys(body)[0] == LOGIN["title"]
    assert body["degraded"] is False


@pytest.mark.parametrize("mode", ["hybrid", "keyword"])
def test_words_find_the_ticket_and_are_marked(agent: AgentWithToken, tickets: dict[str, str], mode: str) -> None:
    body = search(agent, "burndown weekends", search_type=mode)
    best = body["results"][0]
    assert best["title"] == CHART["title"]
    assert "title" in best["matched_in"]
    assert 0 < best["relevance_score"] <= 1
    assert body["search_type"] == mode
    assert body["total_found"] >= 1


def test_words_are_looked_for_while_the_query_is_embedded(
    agent: AgentWithToken, tickets: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    looked = threading.Event()

    class Waiting(LocalProvider):
        def embed_query(self, text: str) -> Vectors:
            assert looked.wait(PATIENCE), "nobody looked for words meanwhile"
            return super().embed_query(text)

    def look(*args: Any, **kwargs: Any) -> list[KeywordHit]:
        hits = keyword_search(*args, **kwargs)
        looked.set()
        return hits

    monkeypatch.setattr(retrieval, "keyword_search", look)
    waiting = Waiting()
    # The model is loaded now: a search would not wait for that.
    waiting.embed_documents(["anything", "else"])
    with use(Guarded(waiting)):
        body = search(agent, "burndown weekends")
    assert (body["degraded"], keys(body)[0]) == (False, CHART["title"])


def test_an_identifier_comes_first(agent: AgentWithToken, tickets: dict[str, str]) -> None:
    assert keys(search(agent, "read_chunked"))[0] == UPLOAD["title"]
    assert keys(search(agent, "E_TOO_LARGE"))[0] == UPLOAD["title"]


def test_a_key_finds_its_ticket_first(agent: AgentWithToken, tickets: dict[str, str]) -> None:
    key = search(agent, "burndown weekends")["results"][0]["key"]
    for text in (key, key.lower()):
        assert keys(search(agent, text))[0] == CHART["title"]


def test_comments_are_searched_unless_left_out(agent: AgentWithToken, tickets: dict[str, str]) -> None:
    text = "The xylophone renderer is at fault here."
    api_client(agent).write("/api/tickets/comment", {"ticket_id": tickets[CHART["title"]], "comment_text": text})
    body = search(agent, "xylophone", search_type="keyword")
    assert keys(body) == [CHART["title"]]
    assert body["results"][0]["matched_in"] == ["comments"]
    assert "xylophone" in body["results"][0]["preview"]
    assert search(agent, "xylophone", search_type="keyword", include_comments=False)["results"] == []


@pytest.mark.parametrize("mode", ["hybrid", "keyword"])
def test_where_somebody_types_the_last_word_may_be_unfinished(
    agent: AgentWithToken, tickets: dict[str, str], mode: str
) -> None:
    best = search(agent, "weekends burnd", search_type=mode, prefix=True)["results"][0]
    assert best["title"] == CHART["title"]
    assert "<mark>" in best["title_html"]
    assert "urndown</mark>" in best["title_html"].lower()
    assert search(agent, "burnd", search_type="keyword", prefix=True)["results"]
    # A space ends it, and so does whoever has not asked for it; the cache tells them apart.
    for body in ({"query": "burnd ", "prefix": True}, {"query": "burnd"}):
        assert search(agent, **body, search_type="keyword")["results"] == []


def test_filters_limit_each_mode(agent: AgentWithToken, tickets: dict[str, str]) -> None:
    for mode in ("hybrid", "semantic", "keyword"):
        found = keys(
            search(agent, "uploads fail in the burndown chart", search_type=mode, filters={"priority": "high"})
        )
        assert found == [CHART["title"]], mode
        assert keys(search(agent, "users sign in", search_type=mode, filters={"tags": ["AUTH"]})) == [LOGIN["title"]]


def test_an_empty_query_lists_what_the_filters_leave(agent: AgentWithToken, tickets: dict[str, str]) -> None:
    body = search(agent, "  ", filters={"ticket_type": ["bug"]})
    assert keys(body) == [UPLOAD["title"]]
    assert body["total_found"] == 1
    assert len(search(agent)["results"]) == 3


def test_a_change_is_found_at_once_in_spite_of_the_cache(agent: AgentWithToken, tickets: dict[str, str]) -> None:
    assert search(agent, "burndown")["cached"] is False
    assert search(agent, "burndown")["cached"] is True
    updates = {"ticket_id": tickets[LOGIN["title"]], "updates": {"title": "Burndown of sign-ins"}}
    assert api_client(agent).write("/api/tickets/update", updates).status_code == 200
    body = search(agent, "burndown")
    assert body["cached"] is False
    assert "Burndown of sign-ins" in keys(body)


def test_a_moved_ticket_is_found_in_its_new_column(agent: AgentWithToken, tickets: dict[str, str]) -> None:
    assert search(agent, "burndown", filters={"status": ["todo"]})["results"] == []
    move = {"ticket_id": tickets[CHART["title"]], "new_status": "todo", "comment": "This one is to be done next."}
    assert api_client(agent).write("/api/tickets/change-status", move).status_code == 200
    for mode in ("hybrid", "semantic", "keyword"):
        assert keys(search(agent, "burndown", search_type=mode, filters={"status": ["todo"]})) == [CHART["title"]]


def test_another_workflow_is_never_searched(agent: AgentWithToken, tickets: dict[str, str]) -> None:
    stranger = make_agent(make_workflow())
    for mode in ("hybrid", "semantic", "keyword"):
        assert search(stranger, "burndown chart weekends", search_type=mode)["results"] == []
    own = api_client(stranger).write("/api/tickets/search", {"query": "x", "workflow_id": agent_workflow(agent)})
    assert own.status_code == 404


def agent_workflow(agent: AgentWithToken) -> str:
    body: str = api_client(agent).get("/api/workflows").json()["workflows"][0]["workflow_id"]
    return body


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"query": "x" * 10_001}, "query"),
        ({"query": "x", "search_type": "fuzzy"}, "search_type"),
        ({"query": "x", "limit": 51}, "limit"),
        ({"query": "x", "filters": {"status": ["nowhere"]}}, "filters.status"),
        ({"query": "x", "filters": {"priority": ["urgent"]}}, "filters.priority"),
        ({"query": "x", "filters": {"status": [None]}}, "filters.status"),
        ({"query": "x", "filters": {"tags": [["a"]]}}, "filters.tags"),
        ({"query": "x", "filters": {"priority": [{}, 1]}}, "filters.priority"),
        ({"query": "x", "filters": {"stauts": ["todo"]}}, "filters.stauts"),
        ({"query": "x", "filters": {"workflow_id": "other"}}, "filters.workflow_id"),
        ({"query": "x", "filters": "todo"}, "filters"),
    ],
)
def test_a_wrong_field_is_named(agent: AgentWithToken, body: dict[str, Any], field: str) -> None:
    answer = api_client(agent).write("/api/tickets/search", body)
    assert answer.status_code == 400
    assert answer.json()["error"]["field"].startswith(field)


@pytest.mark.parametrize(
    "query",
    [
        "C++",
        "it's",
        "foo:bar",
        "verify-ticket",
        "🔥",
        "!?…,",
        "x " * 5000,
        "NEAR(a b)",
        '"',
        "*",
        "a AND",
        "日本語",
        "--",
        "^a",
    ],
)
def test_any_text_is_a_query(agent: AgentWithToken, tickets: dict[str, str], query: str) -> None:
    for mode in ("hybrid", "semantic", "keyword"):
        body = search(agent, query, search_type=mode)
        assert body["success"] is True
        for row in body["results"]:
            assert 0 <= row["relevance_score"] <= 1


def test_each_search_is_noted_and_opening_a_result_counts(agent: AgentWithToken, tickets: dict[str, str]) -> None:
    body = search(agent, "burndown weekends")
    ticket_id = tickets[CHART["title"]]
    for _ in range(2):
        opened = api_client(agent).get(f"/api/tickets/{ticket_id}", {"search_id": body["search_id"]})
        assert opened.status_code == 200
    api_client(agent).get(f"/api/tickets/{ticket_id}", {"search_id": "search-of-nobody"})
    notes.write()
    record = SearchRecord.objects.get(pk=body["search_id"])
    assert (record.agent_id, record.mode, record.hits) == (agent.id, "hybrid", body["total_found"])
    assert record.milliseconds > 0
    assert list(SearchClick.objects.values_list("search_id", "ticket_id")) == [(body["search_id"], ticket_id)]


def test_markup_in_a_ticket_stays_text_in_the_preview(agent: AgentWithToken) -> None:
    make_ticket(
        agent, title="Zebra <script>alert(1)</script>", description="A zebra </mark><img src=x onerror=alert(1)>"
    )
    row = search(agent, "zebra", search_type="keyword")["results"][0]
    for html in (row["preview_html"], row["title_html"]):
        assert "<mark>" in html
        assert "<" not in html.replace("<mark>", "").replace("</mark>", "")
    assert row["title_html"] == "<mark>Zebra</mark> &lt;script&gt;alert(1)&lt;/script&gt;"
    assert "<img" in row["preview"]

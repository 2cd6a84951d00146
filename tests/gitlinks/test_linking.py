"""Commits are linked as the repository has them: by whole or abbreviated sha, once per ticket."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from gitlinks.models import TicketCommit
from gitlinks.operations import COMMIT_LINK
from gitlinks.services import CommitLinking
from tests.answers import ok, refused
from tests.factories import AgentWithToken, ApiClient, api_client, make_agent, make_ticket, make_workflow
from tests.gitlinks.repositories import Scratch, linked, ordinary
from tickets.errors import NotFound
from tickets.models import Event, Ticket, TicketHistory, Workflow
from tickets.operations import TICKET_CHANGE_STATUS, TICKET_RESOLVE, execute

LINK = "/api/tickets/link-commit"
UNKNOWN = "c0ffee" * 6 + "c0ff"
LONG = "All of it is done and tested."


@pytest.fixture
def code(root: Path) -> Scratch:
    return ordinary(root / "code")


@pytest.fixture
def workflow(code: Scratch, db: None) -> Workflow:
    return make_workflow("alpha", repositories=[str(code.folder)])


@pytest.fixture
def agent(workflow: Workflow) -> AgentWithToken:
    return make_agent(workflow)


@pytest.fixture
def api(agent: AgentWithToken) -> ApiClient:
    return api_client(agent)


@pytest.fixture
def ticket(agent: AgentWithToken) -> Ticket:
    return make_ticket(agent)


def traces(ticket: Ticket) -> tuple[int, ...]:
    ticket.refresh_from_db()
    counted = (TicketCommit.objects, TicketHistory.objects, Event.objects)
    return (ticket.version, ticket.commit_count, *(rows.count() for rows in counted))


@pytest.mark.parametrize("form", [str, str.upper, lambda sha: sha[:7], lambda sha: f" {sha[:9].upper()} "])
def test_what_is_linked_is_what_the_repository_has(
    form: Callable[[str], str], api: ApiClient, ticket: Ticket, code: Scratch, agent: AgentWithToken
) -> None:
    sha = code.git("rev-parse", "main~4")
    sent = {"ticket_id": ticket.key, "commit_sha": form(sha), "commit_message": "Not what was committed"}
    body = ok(api.write(LINK, sent))
    assert (body["ticket_id"], body["key"], body["version"]) == (ticket.id, ticket.key, ticket.version + 1)
    assert (body["commit_sha"], body["linked"], body["verified"]) == (sha, True, True)
    commit = body["commit"]
    assert commit["commit_message"] == code.git("log", "-1", "--format=%B", sha)
    seconds = int(code.git("log", "-1", "--format=%ct", sha))
    assert TicketCommit.objects.get().commit_timestamp.timestamp() == seconds
    assert (commit["author_name"], commit["agent_id"], commit["link_method"]) == ("Ada Lovelace", agent.id, "manual")
    numstat = code.git("show", "--numstat", "--format=", "-M", "-C", sha).splitlines()
    assert commit["files_changed"] == len(numstat) == len(commit["files_list"])
    assert commit["insertions"] == sum(int(line.split("\t")[0]) for line in numstat)
    assert commit["deletions"] == sum(int(line.split("\t")[1]) for line in numstat)
    detail = ok(api.get(f"/api/tickets/{ticket.key}"))
    assert detail["commits"] == [commit]
    assert detail["commit_count"] == 1


def test_a_link_leaves_its_row_of_history_and_its_event(api: ApiClient, ticket: Ticket, code: Scratch) -> None:
    sha = code.git("rev-parse", "main")
    ok(api.write(LINK, {"ticket_id": ticket.id, "commit_sha": sha}))
    row = ticket.history.order_by("-id")[0]
    assert (row.change_type, row.field_name, row.new_value) == ("commit_linked", "commit_sha", sha)
    event = Event.objects.order_by("-seq")[0]
    assert (event.type, event.data["commit_sha"], event.data["verified"]) == ("commit_linked", sha, True)


def test_linking_again_succeeds_and_changes_nothing(api: ApiClient, ticket: Ticket, code: Scratch) -> None:
    sha = code.git("rev-parse", "main")
    ok(api.write(LINK, {"ticket_id": ticket.id, "commit_sha": sha[:10]}))
    before = traces(ticket)
    for again in (sha, sha[:8], sha.upper()):
        body = ok(api.write(LINK, {"ticket_id": ticket.id, "commit_sha": again}))
        assert (body["linked"], body["commit_sha"], body["version"]) == (False, sha, ticket.version)
    assert traces(ticket) == before


def test_a_linked_commit_is_linked_again_when_its_repository_is_gone(
    api: ApiClient, ticket: Ticket, code: Scratch
) -> None:
    sha = code.git("rev-parse", "main")
    ok(api.write(LINK, {"ticket_id": ticket.id, "commit_sha": sha}))
    code.folder.rename(code.folder.parent / "elsewhere")
    assert ok(api.write(LINK, {"ticket_id": ticket.id, "commit_sha": sha}))["linked"] is False


def test_a_commit_belongs_to_any_number_of_tickets(api: ApiClient, agent: AgentWithToken, code: Scratch) -> None:
    sha = code.git("rev-parse", "main")
    for _ in range(3):
        assert ok(api.write(LINK, {"ticket_id": make_ticket(agent).id, "commit_sha": sha}))["linked"] is True
    assert TicketCommit.objects.filter(commit_sha=sha).count() == 3


def test_an_ambiguous_beginning_is_refused_with_the_candidates(api: ApiClient, ticket: Ticket, code: Scratch) -> None:
    one, other = code.alike()
    before = traces(ticket)
    error = refused(api.write(LINK, {"ticket_id": ticket.id, "commit_sha": one[:4]}), 400, "invalid", "commit_sha")
    assert {one, other} <= {row["commit_sha"] for row in error["candidates"]}
    assert {"commit_message", "author_name", "repository"} < set(error["candidates"][0])
    assert traces(ticket) == before
    assert ok(api.write(LINK, {"ticket_id": ticket.id, "commit_sha": one[:12]}))["commit_sha"] == one


def test_two_repositories_that_hold_the_same_commit_hold_one(api: ApiClient, ticket: Ticket, code: Scratch) -> None:
    copy = code.folder.parent / "copy.git"
    code.git("clone", "--quiet", "--bare", str(code.folder), str(copy))
    sha = code.git("rev-parse", "main")
    Workflow.objects.filter(pk="alpha").update(repositories=[str(code.folder), str(copy)])
    assert ok(api.write(LINK, {"ticket_id": ticket.id, "commit_sha": sha[:6]}))["commit_sha"] == sha


def test_what_is_no_commit_is_not_found(api: ApiClient, ticket: Ticket, code: Scratch) -> None:
    blob, tree = code.git("rev-parse", "main:main.txt"), code.git("rev-parse", "main^{tree}")
    code.git("tag", "-m", "annotated", "v1", "main")
    code.git("branch", "deadbeef")
    code.git("tag", "cafe")
    before = traces(ticket)
    for sha in (UNKNOWN, UNKNOWN[:8], blob, tree[:12], code.git("rev-parse", "v1"), "deadbeef", "cafe", "0" * 40):
        error = refused(api.write(LINK, {"ticket_id": ticket.id, "commit_sha": sha}), 404, "not_found", "commit_sha")
        assert "commit_message" in error["message"], "it says what would help"
    assert traces(ticket) == before


@pytest.mark.parametrize(
    "name", ["HEAD", "main", "@", "abc", "a" * 65, "v1", "main~1", "abcd^", "abcd..ef01", "äbcd", ""]
)
def test_only_hexadecimal_digits_name_a_commit(name: str, api: ApiClient, ticket: Ticket) -> None:
    refused(api.write(LINK, {"ticket_id": ticket.id, "commit_sha": name}), 400, "invalid", "commit_sha")


def test_a_commit_of_no_repository_is_linked_unverified(api: ApiClient, ticket: Ticket, agent: AgentWithToken) -> None:
    sent = {"ticket_id": ticket.id, "commit_sha": UNKNOWN.upper(), "commit_message": "  Fix it\n\nElsewhere. "}
    body = ok(api.write(LINK, sent))
    assert (body["commit_sha"], body["verified"], body["linked"]) == (UNKNOWN, False, True)
    commit = body["commit"]
    assert commit["commit_message"] == "Fix it\n\nElsewhere."
    assert (commit["files_changed"], commit["insertions"], commit["deletions"]) == (None, None, None)
    assert (commit["author_name"], commit["agent_id"], commit["verified"]) == ("", agent.id, False)
    before = traces(ticket)
    assert ok(api.write(LINK, sent))["linked"] is False
    assert traces(ticket) == before
    page = ok(api.get(f"/api/tickets/{ticket.id}/commits"))
    assert [row["verified"] for row in page["commits"]] == [False]


def test_unverified_needs_the_whole_sha_and_a_message(api: ApiClient, ticket: Ticket) -> None:
    sent = {"ticket_id": ticket.id, "commit_sha": UNKNOWN[:10], "commit_message": "Said so"}
    refused(api.write(LINK, sent), 400, "invalid", "commit_sha")
    sent = {"ticket_id": ticket.id, "commit_sha": UNKNOWN, "commit_message": "   "}
    refused(api.write(LINK, sent), 404, "not_found", "commit_sha")
    assert not TicketCommit.objects.exists()


def test_other_workflows_repositories_are_not_looked_into(root: Path, api: ApiClient, ticket: Ticket) -> None:
    other = Scratch(root / "other")
    other.write("x", "x")
    sha = other.commit()
    beta = make_workflow("beta", repositories=[str(other.folder)])
    refused(api.write(LINK, {"ticket_id": ticket.id, "commit_sha": sha}), 404, "not_found", "commit_sha")
    both = make_agent(beta, ticket.workflow)
    # Also for one who may read it: the ticket's workflow does not have it.
    refused(api_client(both).write(LINK, {"ticket_id": ticket.id, "commit_sha": sha}), 404, "not_found", "commit_sha")


def test_who_may_link(ticket: Ticket, workflow: Workflow, code: Scratch) -> None:
    sent = {"ticket_id": ticket.id, "commit_sha": code.git("rev-parse", "main")}
    stranger, viewer = make_agent(make_workflow("beta")), make_agent(workflow, role="viewer")
    refused(api_client(None).write(LINK, sent), 401, "unauthenticated")
    refused(api_client(stranger).write(LINK, sent), 404, "not_found", "ticket_id")
    refused(api_client(viewer).write(LINK, sent), 403, "forbidden")
    assert not TicketCommit.objects.exists()


def test_a_stale_version_and_a_repeated_key(api: ApiClient, ticket: Ticket, code: Scratch) -> None:
    sent = {"ticket_id": ticket.id, "commit_sha": code.git("rev-parse", "main"), "idempotency_key": "k"}
    stale = {**sent, "expected_version": ticket.version + 1, "idempotency_key": "other"}
    refused(api.write(LINK, stale), 409, "conflict", "expected_version")
    first = ok(api.write(LINK, sent))
    assert ok(api.write(LINK, sent)) == first
    refused(api.write(LINK, {**sent, "commit_sha": UNKNOWN}), 409, "idempotency_mismatch", "idempotency_key")


def test_a_merge_counts_what_it_brings_to_its_first_parent(api: ApiClient, ticket: Ticket, code: Scratch) -> None:
    sha = code.git("rev-list", "--merges", "main")
    body = ok(api.write(LINK, {"ticket_id": ticket.id, "commit_sha": sha}))
    assert set(body["commit"]["files_list"]) == {"merged.txt", "side.txt"}


def test_repositories_of_sha256_are_read_too(
    root: Path, workflow: Workflow, agent: AgentWithToken, api: ApiClient
) -> None:
    newer = Scratch(root / "newer", "--object-format=sha256")
    newer.write("a.py", "1\n")
    sha = newer.commit("With longer shas")
    Workflow.objects.filter(pk=workflow.id).update(repositories=[*workflow.repositories, str(newer.folder)])
    ticket = make_ticket(agent)
    assert ok(api.write(LINK, {"ticket_id": ticket.id, "commit_sha": sha[:9]}))["commit_sha"] == sha
    assert ok(api.get(f"/api/tickets/commit-diff/{sha}"))["files"][0]["status"] == "added"


def test_absurd_times_are_read(root: Path, workflow: Workflow, api: ApiClient, ticket: Ticket, code: Scratch) -> None:
    tree = code.git("rev-parse", "main^{tree}")
    for seconds in ("99999999999999", "0", "-5", "x", ""):
        raw = f"tree {tree}\nauthor A <a> {seconds} +0000\ncommitter A <a> {seconds} +0000\n\nOdd time {seconds}\n"
        sha = code.git("hash-object", "-t", "commit", "-w", "--literally", "--stdin", given=raw.encode())
        assert ok(api.write(LINK, {"ticket_id": ticket.id, "commit_sha": sha}))["commit_sha"] == sha
        assert ok(api.get(f"/api/tickets/commit-diff/{sha}"))["commit_sha"] == sha


def test_resolving_links_the_commit(agent: AgentWithToken, ticket: Ticket, code: Scratch) -> None:
    sha = code.git("rev-parse", "main")
    sent = {"ticket_id": ticket.id, "resolution_comment": LONG, "commit_sha": sha[:8]}
    execute(TICKET_RESOLVE, agent.actor, sent)
    ticket.refresh_from_db()
    assert (ticket.is_resolved, ticket.commit_count, ticket.commits.get().commit_sha) == (True, 1, sha)


def test_moving_links_the_commit(agent: AgentWithToken, ticket: Ticket, code: Scratch) -> None:
    sent = {"ticket_id": ticket.id, "new_status": "in_progress", "comment": LONG, "commit_sha": code.shas()[0]}
    execute(TICKET_CHANGE_STATUS, agent.actor, {**sent, "idempotency_key": "once"})
    assert ticket.commits.get().link_method == "manual"


@pytest.mark.parametrize("operation", [TICKET_RESOLVE, TICKET_CHANGE_STATUS])
def test_an_unknown_commit_leaves_the_ticket_as_it_was(operation: Any, agent: AgentWithToken, ticket: Ticket) -> None:
    sent = {"ticket_id": ticket.id, "commit_sha": UNKNOWN}
    more = {"resolution_comment": LONG} if operation is TICKET_RESOLVE else {"new_status": "done", "comment": LONG}
    before = traces(ticket)
    with pytest.raises(NotFound):
        execute(operation, agent.actor, {**sent, **more})
    assert traces(ticket) == before


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("operation", [TICKET_RESOLVE, TICKET_CHANGE_STATUS, COMMIT_LINK])
def test_git_runs_while_no_transaction_is_open(operation: Any, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = linked(root / "code")
    agent = make_agent(make_workflow(repositories=[str(code.folder)]))
    ticket = make_ticket(agent)
    prepare, open_then = CommitLinking.prepare, []

    def watched(*arguments: Any, **named: Any) -> Any:
        open_then.append(connection.in_atomic_block)
        return prepare(*arguments, **named)

    monkeypatch.setattr(CommitLinking, "prepare", watched)
    more: dict[str, Any] = {
        TICKET_RESOLVE.name: {"resolution_comment": LONG},
        TICKET_CHANGE_STATUS.name: {"new_status": "in_progress", "comment": LONG},
        COMMIT_LINK.name: {},
    }[operation.name]
    sent = {"ticket_id": ticket.id, "commit_sha": code.shas()[0], "idempotency_key": "k", **more}
    execute(operation, agent.actor, sent)
    assert open_then == [False]
    assert ticket.commits.count() == 1

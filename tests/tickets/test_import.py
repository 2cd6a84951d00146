"""Importing files: real issues, odd lines, again and again, stopped and started."""

from __future__ import annotations

import csv
import io
import json
import os
import random
from collections.abc import Iterable
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from tests.factories import make_agent, make_ticket, make_workflow
from tickets.access import system_actor
from tickets.errors import Invalid
from tickets.imports import running
from tickets.imports.reading import MAX_LINE
from tickets.imports.running import Import, Report, tickets_import
from tickets.models import Event, StatusPeriod, Ticket, TicketHistory, TicketTag, Workflow
from tickets.selectors.replay import present, replay
from tickets.services.tickets import create_in_unit

pytestmark = pytest.mark.django_db

SHARED = Path(__file__).parents[3] / "shared" / "data" / "github-issues.jsonl"
GENERATED = 300


def generated_issues(count: int) -> list[dict[str, str]]:
    """Issues of the same shape and oddity as the shared ones: short titles, long bodies, three labels."""
    chance = random.Random(1)
    words = ["cache", "token", "crash", "Überlauf", "窗口", "🚀", "on", "Windows", "`None`", "C++", "<script>"]
    issues = []
    for number in range(1, count + 1):
        title = " ".join(chance.choices(words, k=chance.randint(2, 40)))[:290]
        body = "\r\n".join(" ".join(chance.choices(words, k=30)) for _ in range(chance.randint(0, 60)))
        issues.append(
            {
                "id": f"issue-{number}",
                "repo": chance.choice(["facebook/react", "microsoft/vscode", "bitcoin/bitcoin"]),
                "title": {7: ".", 8: "#F", 9: f" {title} "}.get(number, title),
                "body": {7: ".", 10: "x" * 202_000}.get(number, body),
                "label": chance.choice(["bug", "feature", "question"]),
            }
        )
    return issues


@pytest.fixture(scope="module")
def issues_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The real issues where the shared folder is at hand, else generated ones."""
    if SHARED.exists():
        return SHARED
    return lines_file(tmp_path_factory.mktemp("issues") / "issues.jsonl", generated_issues(GENERATED))


@pytest.fixture
def workflow() -> Workflow:
    return make_workflow("import-flow")


def lines_file(path: Path, lines: Iterable[Any]) -> Path:
    texts = (line if isinstance(line, str) else json.dumps(line, ensure_ascii=False) for line in lines)
    path.write_text("\n".join(texts) + "\n", encoding="utf-8")
    return path


def run(content: bytes | str | list[Any], workflow: Workflow, file_format: str = "jsonl", **options: Any) -> Report:
    if isinstance(content, list):
        content = "\n".join(line if isinstance(line, str) else json.dumps(line) for line in content)
    raw = content if isinstance(content, bytes) else content.encode("utf-8")
    options = {"actor": system_actor(), "name": "file", **options}
    job = Import(workflow_id=workflow.id, stream=BytesIO(raw), file_format=file_format, **options)  # type: ignore[arg-type]
    return tickets_import(job)


def one(content: Any, workflow: Workflow, file_format: str = "jsonl", **options: Any) -> Ticket:
    report = run([content] if isinstance(content, dict) else content, workflow, file_format, **options)
    assert report.faults == []
    return Ticket.objects.get(workflow=workflow)


def everything(workflow: Workflow) -> tuple[Any, ...]:
    """All that an import could change."""
    return (
        list(Ticket.objects.filter(workflow=workflow).order_by("number").values()),
        TicketHistory.objects.filter(workflow=workflow).count(),
        Event.objects.filter(workflow=workflow).count(),
        TicketTag.objects.filter(workflow=workflow).count(),
    )


def test_real_issues_are_imported_whole_and_a_second_run_changes_nothing(
    workflow: Workflow, issues_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    issues = [json.loads(line) for line in issues_file.read_text(encoding="utf-8").splitlines()]
    call_command("import_tickets", issues_file, "--format", "github", "--workflow", workflow.id)
    said = capsys.readouterr()
    assert f"{len(issues)} tickets created, 0 were there already, 0 bad lines" in said.out
    assert said.err == ""  # no bar where nobody watches

    tickets = {(ticket.source, ticket.source_id): ticket for ticket in Ticket.objects.filter(workflow=workflow)}
    assert len(tickets) == len(issues)
    for issue in issues:
        ticket = tickets[f"github:{issue['repo']}", issue["id"]]
        title = " ".join(issue["title"].split())
        assert ticket.title == (title if len(title) >= 3 else f"{title} ({issue['id']})")
        assert ticket.description == issue["body"].replace("\r\n", "\n")
        assert ticket.ticket_type == (issue["label"] if issue["label"] in ("bug", "feature") else "task")
        tags = [issue["repo"]] if issue["label"] in ("bug", "feature") else [issue["repo"], issue["label"]]
        assert ticket.tags == tags
        assert (ticket.status, ticket.created_by_agent_id) == ("backlog", "system")

    before = everything(workflow)
    call_command("import_tickets", issues_file, "--format", "github", "--workflow", workflow.id, "--strict")
    assert f"0 tickets created, {len(issues)} were there already" in capsys.readouterr().out
    assert everything(workflow) == before


def test_history_and_events_are_as_through_the_api(workflow: Workflow) -> None:
    run([{"title": f"Ticket {number}", "id": number} for number in range(120)], workflow)
    tickets = Ticket.objects.filter(workflow=workflow).order_by("number")
    assert [ticket.number for ticket in tickets] == list(range(1, 121))
    events = Event.objects.filter(workflow=workflow).order_by("seq")
    assert [event.seq for event in events] == list(range(1, 121))
    assert {event.type for event in events} == {"ticket_created"}
    assert StatusPeriod.objects.filter(ticket__workflow=workflow, left_at=None).count() == 120
    for ticket in tickets:
        assert replay(ticket.history.order_by("id")) == present(ticket, [])
    ranks = [ticket.rank for ticket in tickets]
    assert ranks == sorted(ranks)
    assert len(set(ranks)) == 120


def test_an_import_that_was_stopped_goes_on_where_it_was(workflow: Workflow, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [{"title": f"Ticket {number}", "id": number} for number in range(130)]
    calls = iter(range(1000))

    def stop_in_the_middle(*arguments: Any, **options: Any) -> Any:
        if next(calls) == 77:
            raise KeyboardInterrupt
        return create_in_unit(*arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr("tickets.imports.running.create_in_unit", stop_in_the_middle)
        with pytest.raises(KeyboardInterrupt):
            run(lines, workflow)
    # Whole batches or nothing of them.
    assert Ticket.objects.filter(workflow=workflow).count() == running.BATCH
    report = run(lines, workflow)
    assert (report.created, report.present) == (130 - running.BATCH, running.BATCH)
    assert [t.number for t in Ticket.objects.filter(workflow=workflow).order_by("number")] == list(range(1, 131))


def test_somebody_else_imports_the_same_at_the_same_time(workflow: Workflow, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [{"title": f"Ticket {number}", "id": number} for number in range(120)]
    job = Import(
        system_actor(), workflow.id, BytesIO(b"\n".join(json.dumps(x).encode() for x in lines)), "jsonl", "file"
    )
    other: list[Report] = []

    def meanwhile(_bytes: int) -> None:
        if not other:
            other.append(run(lines, workflow))

    report = tickets_import(job, progress=meanwhile)
    assert report.created == running.BATCH
    assert other[0].created == 120 - running.BATCH
    assert Ticket.objects.filter(workflow=workflow).count() == 120


BAD_LINES = {
    "not an object": '["title"]',
    "a number": "17",
    "not JSON": '{"title": "x',
    "no title": '{"body": "words"}',
    "an empty title": '{"title": "  \\t "}',
    "null": '{"title": null}',
    "a title that is no text": '{"title": {"a": 1}}',
    "NUL": '{"title": "with \\u0000 in it"}',
    "NUL in the body": '{"title": "fine", "body": "\\u0000"}',
    "half a character": '{"title": "half \\ud83d of one"}',
    "half a character in a tag": '{"title": "fine", "tags": ["\\udc00"]}',
    "NUL in the id": '{"title": "fine", "id": "a\\u0000b"}',
    "deep nesting": "[" * 100_000,
    "a huge number": '{"title": "fine", "id": ' + "9" * 10_000 + "}",
}


@pytest.mark.parametrize("bad", BAD_LINES.values(), ids=BAD_LINES.keys())
def test_a_bad_line_is_told_of_by_number_and_passed_over(bad: str, workflow: Workflow) -> None:
    report = run(['{"title": "Before"}', bad, "", '{"title": "After"}'], workflow)
    assert [place for place, _ in report.faults] == ["line 2"]
    assert report.faults[0][1]
    assert set(Ticket.objects.values_list("title", flat=True)) == {"Before", "After"}


@pytest.mark.parametrize("bad", BAD_LINES.values(), ids=BAD_LINES.keys())
def test_strict_imports_nothing_where_one_line_is_bad(bad: str, workflow: Workflow, tmp_path: Path) -> None:
    before = everything(workflow)
    path = lines_file(tmp_path / "a.jsonl", ['{"title": "Before"}', bad])
    with pytest.raises(CommandError, match="Nothing was imported: 1 bad"):
        call_command("import_tickets", path, "--format", "jsonl", "--workflow", workflow.id, "--strict")
    assert everything(workflow) == before


def test_bytes_that_are_no_utf8_make_a_bad_line(workflow: Workflow) -> None:
    report = run(b'{"title": "Before"}\n{"title": "caf\xe9"}\r\n{"title": "After"}\r\n', workflow)
    assert report.faults[0][0] == "line 2"
    assert "UTF-8" in report.faults[0][1]
    assert report.created == 2


def test_a_byte_order_mark_and_windows_line_ends_do_not_matter(workflow: Workflow) -> None:
    report = run(b'\xef\xbb\xbf{"title": "First line"}\r\n\r\n{"title": "Second line"}\r\n', workflow)
    assert (report.created, report.faults) == (2, [])


def test_a_line_too_long_for_memory_is_passed_over(workflow: Workflow) -> None:
    huge = b'{"title": "huge", "body": "' + b"x" * (MAX_LINE + 10) + b'"}'
    report = run(b'{"title": "Before"}\n' + huge + b'\n{"title": "After"}', workflow)
    assert [place for place, _ in report.faults] == ["line 2"]
    assert report.created == 2


def test_only_a_title_is_required(workflow: Workflow) -> None:
    ticket = one({"title": "Only a title"}, workflow)
    assert (ticket.description, ticket.ticket_type, ticket.priority, ticket.tags) == ("", "task", "medium", [])
    assert ticket.source == "jsonl:file"
    assert ticket.source_id.startswith("sha256:")


def test_a_line_without_id_is_known_again_by_its_content(workflow: Workflow) -> None:
    lines = [{"title": "Same title"}, {"title": "Same title", "body": "but another body"}, {"title": "Same title"}]
    assert run(lines, workflow).created == 2
    assert run([{"body": "but another body", "title": "Same title"}], workflow).present == 1


def test_descriptions_are_kept_short_and_cut_when_too_long(workflow: Workflow) -> None:
    report = run(
        [{"id": 1, "title": "Short", "body": "x"}, {"id": 2, "title": "Long", "body": "é" * 260_000}], workflow
    )
    assert Ticket.objects.get(source_id="1").description == "x"
    long = Ticket.objects.get(source_id="2").description
    assert len(long) == 250_000
    assert "the original has 260,000 characters" in long
    assert report.notes == [("line 2", "the description of 260,000 characters was cut to 250,000")]


def test_titles_are_made_to_fit(workflow: Workflow) -> None:
    run([{"id": 1, "title": "  a\n b "}, {"id": 2, "title": "x" * 600}, {"id": "issue-3", "title": "."}], workflow)
    titles = dict(Ticket.objects.values_list("source_id", "title"))
    assert titles == {"1": "a b", "2": "x" * 499 + "…", "issue-3": ". (issue-3)"}


def test_tags_are_made_to_fit(workflow: Workflow) -> None:
    tags = ["Bug", "bug", "  ", "y" * 60, *[f"tag {number}" for number in range(30)]]
    ticket = one({"title": "Tagged", "repo": "a/b", "tags": tags}, workflow)
    assert ticket.tags[:3] == ["a/b", "Bug", "y" * 50]
    assert len(ticket.tags) == 20
    assert ticket.tag_rows.count() == 20


@pytest.mark.parametrize(
    ("given", "kind", "tags"),
    [
        ({"label": "bug"}, "bug", []),
        ({"label": "Bug"}, "bug", []),
        ({"label": "question"}, "task", ["question"]),
        ({"type": "feature", "label": "question"}, "feature", ["question"]),
        ({"type": "epic"}, "task", ["epic"]),
        ({"labels": [{"name": "good first issue"}, {"name": "bug"}]}, "bug", ["good first issue"]),
        ({"labels": "bug, urgent;later"}, "bug", ["urgent", "later"]),
        ({"tags": ["bug"]}, "task", ["bug"]),
    ],
)
def test_labels_become_type_or_tag(given: dict[str, Any], kind: str, tags: list[str], workflow: Workflow) -> None:
    ticket = one({"title": "Labelled", **given}, workflow)
    assert (ticket.ticket_type, ticket.tags) == (kind, tags)


def test_known_fields_are_taken_over(workflow: Workflow) -> None:
    agent = make_agent(workflow, agent_id="alice")
    ticket = one(
        {
            "title": "All of it", "description": "Words", "priority": "P1", "status": "In Progress",
            "assignee": {"login": "alice"}, "created_at": "2020-02-03T04:05:06+01:00", "story_points": "5",
            "estimate_minutes": 90,
        },
        workflow,
    )  # fmt: skip
    assert (ticket.priority, ticket.status, ticket.assigned_agent_id) == ("high", "in_progress", agent.id)
    assert (ticket.story_points, ticket.estimate_minutes) == (5, 90)
    assert ticket.created_at.isoformat() == "2020-02-03T03:05:06+00:00"
    assert ticket.history.get(change_type="created").changed_at.year > 2020
    assert ticket.version == 1


def test_a_closed_issue_arrives_resolved(workflow: Workflow) -> None:
    ticket = one({"title": "Long done", "state": "closed"}, workflow)
    assert (ticket.status, ticket.is_resolved) == ("done", True)
    assert replay(ticket.history.order_by("id")) == present(ticket, [])


def test_values_that_do_not_fit_are_noted_and_left_out(workflow: Workflow) -> None:
    odd = {
        "title": "Odd values", "priority": "soonish", "status": "limbo", "assignee": "nobody",
        "created_at": "yesterday", "story_points": -4, "estimate_minutes": "ten",
    }  # fmt: skip
    report = run([odd, {"title": "From the future", "created_at": "2999-01-01"}], workflow)
    assert report.created == 2
    assert report.faults == []
    assert len(report.notes) == 7
    ticket = Ticket.objects.get(title="Odd values")
    assert (ticket.priority, ticket.status, ticket.assigned_agent_id) == ("medium", "backlog", None)
    assert (ticket.story_points, ticket.estimate_minutes) == (None, None)


def test_githubs_own_json_in_one_array(workflow: Workflow) -> None:
    issues = [
        {
            "number": 12, "title": "From the API", "body": None, "state": "CLOSED", "labels": [{"name": "bug"}],
            "repository_url": "https://api.github.com/repos/o/n", "assignees": [{"login": "x"}], "milestone": None,
        },
        "not an issue",
    ]  # fmt: skip
    report = run(json.dumps(issues, indent=1), workflow, "github")
    assert [place for place, _ in report.faults] == ["item 2"]
    ticket = Ticket.objects.get()
    assert (ticket.source, ticket.source_id) == ("github:o/n", "12")
    assert (ticket.ticket_type, ticket.tags, ticket.status) == ("bug", ["o/n"], "done")


def test_the_same_id_of_two_repositories_is_two_tickets(workflow: Workflow) -> None:
    long = "o/" + "n" * 100
    lines = [{"id": 1, "repo": repo, "title": "Same id"} for repo in ("a/b", "a/c", long, long + "2")]
    assert run(lines, workflow, "github").created == 4
    assert run(lines, workflow, "github").present == 4


def test_source_says_within_what_ids_are_unique(workflow: Workflow) -> None:
    line = {"id": 1, "title": "From somewhere"}
    assert run([line], workflow, name="a.jsonl").created == 1
    assert run([line], workflow, name="b.jsonl").created == 1
    assert run([line], workflow, name="c.jsonl", source="jsonl:a.jsonl").present == 1
    assert run([line], workflow, name=os.fsdecode(b"\xff.jsonl")).created == 1
    for source in ("", "\udc80"):
        with pytest.raises(Invalid):
            run([line], workflow, source=source)


def csv_text(rows: list[list[str]], **options: Any) -> str:
    text = io.StringIO()
    csv.writer(text, **options).writerows(rows)
    return text.getvalue()


def test_csv_with_quoted_lines(workflow: Workflow) -> None:
    rows = [
        ["ID", "Title", "Body", "Tags", "Created At"],
        ["1", 'A "quoted" one', "two\nlines", "x, y", "2021-01-01"],
        ["2", "", "no title", "", ""],
        ["3", "The third", "", '["a, b", "c"]', ""],
        ["4", "One cell too many", "", "", "", "here"],
    ]
    report = run("\ufeff" + csv_text(rows), workflow, "csv")
    assert [place for place, _ in report.faults] == ["line 4", "line 6"]
    first, third = Ticket.objects.order_by("number")
    assert (first.title, first.description, first.tags) == ('A "quoted" one', "two\nlines", ["x", "y"])
    assert first.created_at.year == 2021
    assert third.tags == ["a, b", "c"]


@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
def test_csv_as_other_programs_write_it(delimiter: str, workflow: Workflow) -> None:
    rows = [["title", "priority"], ["Semi, colon", "high"]]
    ticket = one(csv_text(rows, delimiter=delimiter), workflow, "csv")
    assert (ticket.title, ticket.priority) == ("Semi, colon", "high")


def test_csv_that_is_not_utf8_or_holds_nul_is_told_of(workflow: Workflow) -> None:
    report = run(b"title\nBefore\ncaf\xe9 au lait\nwith \x00 in it\nAfter\n", workflow, "csv")
    assert [place for place, _ in report.faults] == ["line 3", "line 4"]
    assert report.created == 2


def test_csv_with_a_quote_gone_astray_stops_there(workflow: Workflow) -> None:
    huge = b'title\nBefore\n"' + b"astray\n" * (MAX_LINE // 6)
    report = run(huge, workflow, "csv")
    assert report.created == 1
    assert report.faults[0][0] == "line 3"
    assert "rest of the file was not read" in report.faults[0][1]


@pytest.mark.parametrize("content", ["", "a,b\n1,2\n"])
def test_csv_without_a_title_column_is_refused(content: str, workflow: Workflow, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(CommandError, match="names no title column"):
        call_command("import_tickets", path, "--format", "csv", "--workflow", workflow.id)


def test_a_pipe_is_read(workflow: Workflow) -> None:
    read_end, write_end = os.pipe()
    os.write(write_end, b'{"title": "Through a pipe"}\n')
    os.close(write_end)
    with os.fdopen(read_end, "rb") as stream:
        report = tickets_import(Import(system_actor(), workflow.id, stream, "jsonl", strict=True))
    assert report.created == 1


def test_an_agent_imports_where_it_is_a_member(workflow: Workflow, tmp_path: Path) -> None:
    path = lines_file(tmp_path / "a.jsonl", [{"title": "By an agent"}])
    options = ["--format", "jsonl", "--workflow", workflow.id, "--agent"]
    make_agent(workflow, agent_id="importer")
    make_agent(workflow, agent_id="reader", role="viewer")
    make_agent(agent_id="stranger")
    for agent_id, message in [("reader", "needs the role"), ("stranger", "member of"), ("nobody", "no agent")]:
        with pytest.raises(CommandError, match=message):
            call_command("import_tickets", path, *options, agent_id)
    assert not Ticket.objects.exists()
    call_command("import_tickets", path, *options, "importer")
    assert Ticket.objects.get().created_by_agent_id == "importer"


def test_what_an_ai_agent_imports_waits_for_review_where_the_board_wants_it() -> None:
    board = {
        "columns": [{"id": "open", "name": "Open"}, {"id": "done", "name": "Done"}],
        "ticket_types": ["task"],
        "settings": {"ticket_human_review": True},
    }
    workflow = make_workflow(board=board)
    agent = make_agent(workflow)
    report = run([{"title": "Done elsewhere", "status": "done"}], workflow, actor=agent.actor)
    assert report.faults == []
    ticket = Ticket.objects.get()
    assert (ticket.status, ticket.approval_status) == ("open", "pending_review")


def test_an_enforced_limit_holds_for_imports_too() -> None:
    board = {
        "columns": [{"id": "open", "name": "Open", "wip_limit": 2}, {"id": "done", "name": "Done"}],
        "ticket_types": ["task"],
        "settings": {"enforce_wip_limits": True},
    }
    workflow = make_workflow(board=board)
    make_ticket(make_agent(workflow))
    lines = [{"title": "Second"}, {"title": "Third"}, {"title": "Closed", "status": "done"}]
    report = run(lines, workflow, strict=True)
    assert (report.created, [place for place, _ in report.faults]) == (0, ["column open"])
    report = run(lines, workflow)
    assert (report.created, [place for place, _ in report.faults]) == (2, ["line 2"])


def test_workflows_that_take_no_tickets_say_so(tmp_path: Path) -> None:
    workflow = make_workflow(ticket_tracking_enabled=False)
    path = lines_file(tmp_path / "a.jsonl", [{"title": "Not here"}])
    with pytest.raises(CommandError, match="tracking is not enabled"):
        call_command("import_tickets", path, "--format", "jsonl", "--workflow", workflow.id)
    with pytest.raises(CommandError, match="No workflow 'nowhere'"):
        call_command("import_tickets", path, "--format", "jsonl", "--workflow", "nowhere")
    with pytest.raises(CommandError, match="cannot be read"):
        call_command("import_tickets", tmp_path / "absent", "--format", "jsonl", "--workflow", workflow.id)


def test_bad_lines_go_to_standard_error(workflow: Workflow, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = lines_file(tmp_path / "a.jsonl", [{"title": "Good one"}, {"body": "no title"}])
    call_command("import_tickets", path, "--format", "jsonl", "--workflow", workflow.id)
    said = capsys.readouterr()
    assert "line 2: title is required." in said.err
    assert "1 tickets created, 0 were there already, 1 bad lines skipped" in said.out

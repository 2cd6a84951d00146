"""The window on a commit: what it changed, file by file, each read when somebody looks at it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render

from boards.web.commit.rows import Layout, context_rows, tables
from boards.web.commit.tree import counts_html, tree_html
from boards.web.pages import fragment, page
from gitlinks.hunks import PAGE
from gitlinks.models import TicketCommit
from gitlinks.schemas import CommitDiff, FileDiff, GetCommitDiff, OneCommit
from gitlinks.selectors.diffs import commit_diff_get
from gitlinks.selectors.windows import SUBMODULE, FileWindow, file_window, forge_address
from tickets.access import Actor, visible_workflows, workflow_for, workflows_by_name
from tickets.errors import DomainError, Forbidden, Invalid, Unauthenticated
from tickets.models import Agent, Ticket, Workflow
from tickets.schemas.base import parse

FILES = 200  # of a commit's, on a page at once
MAX_OPEN = 12
MAX_OPEN_LINES = 400
MAX_EXPANDED = 500
MAX_LINKED = 50
LINK = "120000"
EXECUTABLE = "100755"
KINDS = {LINK: "a symbolic link", SUBMODULE: "a submodule", EXECUTABLE: "an executable file", "100644": "a file"}


@dataclass(frozen=True)
class ShownFile:
    """A file as its heading shows it; ``index`` counts the commit's files from 0."""

    index: int
    row: FileDiff
    is_open: bool

    @property
    def folder(self) -> str:
        return self.row["path"][: -len(self.name)] if self.name else ""

    @property
    def name(self) -> str:
        return self.row["path"].rpartition("/")[2]

    @property
    def counts(self) -> str:
        return counts_html(self.row)

    @property
    def is_quiet(self) -> bool:
        """Whether no line of it changed."""
        return not (self.row["insertions"] or self.row["deletions"])

    @property
    def facts(self) -> list[str]:
        """What there is to say beside the counts: what happened to the file, and what it is."""
        row = self.row
        said = []
        if row["old_path"] is not None:
            said.append(f"{row['status']} from {row['old_path']}")
        elif row["status"] in ("added", "deleted"):
            said.append(row["status"])
        old, new = row["old_mode"], row["new_mode"]
        if old and new and old != new:
            said.append(f"{_kind(old)} became {_kind(new)}")
        elif (new or old) in (LINK, SUBMODULE, EXECUTABLE):
            said.append(_kind(new or old or "").partition(" ")[2])
        if row["binary"]:
            said.append("binary")
        return said


@dataclass(frozen=True)
class CommitView:
    """A commit as its page shows it."""

    actor: Actor
    diff: CommitDiff
    workflow: Workflow | None
    parent: int | None

    @property
    def subject(self) -> str:
        return self.diff.message.split("\n", 1)[0].strip() or "No message"

    @property
    def body(self) -> str:
        return self.diff.message.partition("\n")[2].strip()

    @cached_property
    def agent(self) -> Agent | None:
        agent_id = self.diff.author_agent_id
        return Agent.objects.filter(pk=agent_id).first() if agent_id else None

    @property
    def moment(self) -> datetime:
        return datetime.fromisoformat(self.diff.timestamp)

    @cached_property
    def tickets(self) -> list[Ticket]:
        return linked_tickets(self.actor, self.diff.commit_sha)

    @property
    def query(self) -> str:
        """What the page's parts are asked for with."""
        given = {"workflow": self.workflow.id if self.workflow else None, "parent": self.parent}
        return urlencode({name: value for name, value in given.items() if value})

    @property
    def patch_query(self) -> str:
        given = {"workflow_id": self.workflow.id if self.workflow else None, "parent": self.parent}
        return urlencode({name: value for name, value in given.items() if value})

    @property
    def git_show(self) -> str:
        sha = self.diff.commit_sha
        return f"git diff {self.diff.parent_sha} {sha}" if (self.parent or 1) > 1 else f"git show {sha}"

    @property
    def other_parents(self) -> list[tuple[int, str, bool]]:
        """Of a merge: its parents by number, and which it is compared with."""
        parents = self.diff.parents
        return [(number, sha, sha == self.diff.parent_sha) for number, sha in enumerate(parents, 1)]

    def files(self, start: int = 0) -> list[ShownFile]:
        rows = self.diff.files[start : start + FILES]
        few = self.diff.files_changed <= MAX_OPEN
        return [ShownFile(start + place, row, few and _is_short(row)) for place, row in enumerate(rows)]

    @property
    def chunks(self) -> list[tuple[int, int]]:
        """The rest of the files: where each part of the list begins, and how many it has."""
        total = len(self.diff.files)
        return [(start, min(FILES, total - start)) for start in range(FILES, total, FILES)]

    @property
    def unlisted(self) -> int:
        return self.diff.files_changed - len(self.diff.files)

    @property
    def tree(self) -> str:
        return tree_html(self.diff.files)


@page
def commit_page(request: HttpRequest, actor: Actor, commit_sha: str) -> HttpResponse:
    """``/commits/{sha}``, of ``?workflow=``, else of any that the person may read; ``?parent=`` of a merge."""
    workflows = workflows_by_name(actor)
    asked = request.GET.get("workflow")
    workflow = workflow_for(actor, asked) if asked else None
    context: dict[str, Any] = {"workflows": workflows, "workflow": workflow, "commit_sha": commit_sha}
    try:
        context |= _window(request, actor, commit_sha, workflow)
    except (Unauthenticated, Forbidden):
        raise
    except DomainError as error:
        context |= {"error": error, "known": _known(actor, commit_sha), "candidates": error.extra.get("candidates")}
        return render(request, "boards/commit_refused.html", context, status=error.status)
    return render(request, "boards/commit.html", context)


@fragment
def commit_dialog(request: HttpRequest, actor: Actor, commit_sha: str) -> HttpResponse:
    """The same without a page around it, to be shown over another."""
    asked = request.GET.get("workflow")
    workflow = workflow_for(actor, asked) if asked else None
    context = {"workflow": workflow, **_window(request, actor, commit_sha, workflow)}
    return render(request, "boards/commit_dialog.html", context)


@fragment
def commit_files(request: HttpRequest, actor: Actor, commit_sha: str) -> HttpResponse:
    """The headings of the files from ``?from=`` on."""
    wanted = _asked(request, commit_sha)
    view = CommitView(actor, _read(actor, wanted), None, wanted.parent)
    files = view.files(_number(request, "from"))
    return render(request, "boards/commit_files.html", {"view": view, "files": files})


@fragment
def commit_file(request: HttpRequest, actor: Actor, commit_sha: str, index: int) -> HttpResponse:
    """A file's diff: its first page with what there is to know about it, or another ``?page=``."""
    window = file_window(actor, _asked(request, commit_sha), index)
    number, layout = _number(request, "page"), _layout(request)
    diff = window.diff
    context: dict[str, Any] = {"window": window, "file": ShownFile(index, diff.row, True), "sha": window.read.found.sha}
    if diff.pages:
        lines = diff.lines(number)
        context["tables"] = tables(window, lines, layout, last=number + 1 == len(diff.pages))
    if number:
        return HttpResponse(context["tables"])
    context |= {"note": _note(window), "changes": diff.pages[-1].last if diff.pages else 0, "layout": layout}
    context["wide"] = bool(diff.pages) and diff.pages[-1].start.new > 9_000
    return render(request, "boards/commit_file.html", context)


@fragment
def commit_lines(request: HttpRequest, actor: Actor, commit_sha: str, index: int) -> HttpResponse:
    """Unchanged lines ``?from=`` to ``?to=`` of the new file, ``?delta=`` further down than in the old."""
    window = file_window(actor, _asked(request, commit_sha), index)
    first, last = _number(request, "from"), _number(request, "to")
    if not 1 <= first <= last < first + MAX_EXPANDED:
        raise Invalid(f"from and to name up to {MAX_EXPANDED} lines.", field="to")
    html, more = context_rows(window, first, last, _number(request, "delta", signed=True), _layout(request))
    return JsonResponse({"html": html, "more": more})


def linked_tickets(actor: Actor, sha: str) -> list[Ticket]:
    """The tickets that the commit is linked to, as far as the person may read them. One query."""
    found = Ticket.objects.filter(commits__commit_sha=sha, workflow__in=visible_workflows(actor))
    return list(found.order_by("key").only("id", "key", "title", "workflow_id")[:MAX_LINKED])


def _window(request: HttpRequest, actor: Actor, commit_sha: str, workflow: Workflow | None) -> dict[str, Any]:
    """What the window's template asks for. Raises DomainError."""
    wanted = _asked(request, commit_sha)
    view = CommitView(actor, _read(actor, wanted), workflow, wanted.parent)
    return {"view": view, "files": view.files(), "forge": forge_address(actor, wanted), "per_page": PAGE}


def _read(actor: Actor, wanted: OneCommit) -> CommitDiff:
    request = GetCommitDiff(commit_sha=wanted.commit_sha, workflow_id=wanted.workflow_id, parent=wanted.parent)
    return commit_diff_get(actor=actor, request=request)


def _asked(request: HttpRequest, commit_sha: str) -> OneCommit:
    given = {"commit_sha": commit_sha, "workflow_id": request.GET.get("workflow"), "parent": request.GET.get("parent")}
    return parse(OneCommit, {name: value for name, value in given.items() if value})


def _known(actor: Actor, commit_sha: str) -> list[TicketCommit]:
    """What those who linked the commit said about it: all there is where no repository has it."""
    rows = TicketCommit.objects.filter(ticket__workflow__in=visible_workflows(actor))
    if not 4 <= len(commit_sha) <= 64:
        return []
    found = rows.filter(commit_sha__startswith=commit_sha.lower()).select_related("ticket")
    return list(found.order_by("linked_at", "id")[:MAX_LINKED])


def _is_short(row: FileDiff) -> bool:
    return (row["insertions"] or 0) + (row["deletions"] or 0) <= MAX_OPEN_LINES


def _kind(mode: str) -> str:
    return KINDS.get(mode, f"mode {mode}")


def _note(window: FileWindow) -> str:
    """What a diff without lines means; "" where there are lines."""
    row = window.diff.row
    if window.diff.pages:
        return ""
    if row["binary"]:
        return "A binary file. The patch has its content."
    if row["truncated"]:
        return "This file's diff could not be read. The patch may have it."
    if row["old_path"] is not None:
        return f"{row['status'].capitalize()}; not a line changed."
    if row["status"] in ("added", "deleted"):
        return "An empty file."
    return "Only the mode changed; not a line did."


def _layout(request: HttpRequest) -> Layout:
    return "split" if request.GET.get("layout") == "split" else "unified"


def _number(request: HttpRequest, name: str, *, signed: bool = False) -> int:
    text = request.GET.get(name, "0")
    digits = text[1:] if signed and text.startswith("-") else text
    if not (digits.isascii() and digits.isdigit() and len(digits) < 10):
        raise Invalid(f"{name} is a number.", field=name)
    return int(text)

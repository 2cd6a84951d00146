"""Callers and repositories that mean harm: nothing is run, written or disclosed."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gitlinks.git import RepositoryUnreadable, TookTooLong, TooMuchOutput, run
from gitlinks.repositories import Repository, repositories_of
from gitlinks.repository import lies_within
from tests.answers import ok, refused
from tests.factories import ApiClient, api_client, make_agent, make_ticket, make_workflow
from tests.gitlinks.repositories import Scratch, ordinary
from tickets.models import Ticket, Workflow

DIFF, LINK = "/api/tickets/commit-diff/", "/api/tickets/link-commit"
MEGABYTES = 1024 * 1024


@pytest.fixture
def code(root: Path) -> Scratch:
    return ordinary(root / "code")


@pytest.fixture
def api(code: Scratch, db: None) -> ApiClient:
    workflow = make_workflow("alpha", repositories=[str(code.folder)])
    return api_client(make_agent(workflow, agent_id="ada"))


@pytest.fixture
def ticket(api: ApiClient) -> Ticket:
    body = ok(api.write("/api/tickets/create", {"title": "A ticket", "description": "Long enough to be one."}))
    return Ticket.objects.get(pk=body["ticket_id"])


@pytest.fixture
def secret(tmp_path: Path) -> Scratch:
    """A repository outside the allowed root."""
    outside = Scratch(tmp_path / "outside" / "secret")
    outside.write("passwords", "hunter2\n")
    outside.commit("Secret")
    return outside


def snapshot(folder: Path) -> dict[str, tuple[int, float]]:
    return {str(path): (path.lstat().st_size, path.lstat().st_mtime) for path in sorted(folder.rglob("*"))}


HOSTILE = [
    "-", "--", "-p", "--output=pwned", "--output=/tmp/pwned", "--upload-pack=touch pwned", "@{-1}", "main@{1}", "@{u}",
    "HEAD", "main", "refs/heads/main", "main~1", "abcd^", "abcd^{commit}", "abcd..main", ":/Begin", "abcd:a.py",
    "^abcd", "abcd -p", "abcd\n-p", "abcd;id", "$(id)", "`id`", "|id", "../../etc/passwd", "abcd\u0000", "\u202eabcd",
    "\uff41\uff42\uff43\uff44", "\u0663\u0663\u0663\u0663", "0x1234", "abcd%00", "a" * 65, "abc", "", " ",
]  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_that_is_no_sha_reaches_no_git(
    name: str, api: ApiClient, ticket: Ticket, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def none_is_run(*_: object, **__: object) -> None:
        raise AssertionError("git was run")

    monkeypatch.setattr("gitlinks.git._started", none_is_run)
    monkeypatch.chdir(tmp_path)
    before = snapshot(tmp_path)
    for field, path in (("commit_sha", LINK), ("commit_sha", "/api/tickets/resolve")):
        sent = {"ticket_id": ticket.id, field: name}
        if path != LINK:
            sent |= {"resolution_comment": "All of it is done."}
        refused(api.write(path, sent), 400, "invalid", field)
    if name.strip(" /.") and "/" not in name and "\n" not in name:
        for suffix in ("", "/patch"):
            answer = api.get(DIFF + name.replace("%", "%25").replace("?", "%3F") + suffix)
            refused(answer, 400, "invalid", "commit_sha")
    assert snapshot(tmp_path) == before


def test_ten_megabytes_are_refused_unread(api: ApiClient, ticket: Ticket) -> None:
    huge = "a" * 10 * MEGABYTES
    refused(api.write(LINK, {"ticket_id": ticket.id, "commit_sha": huge}), 413, "too_large")
    refused(api.get(DIFF + huge), 400, "invalid", "commit_sha")
    refused(api.get(f"{DIFF}abcd1234", {"path": "p" * MEGABYTES}), 400, "invalid", "path")


@pytest.mark.parametrize(
    "path",
    ["--output=pwned", "-p", ":(top)a.py", ":!a.py", "*", "../a.py", "/etc/passwd", "a.py\n", "deep/../a.py", "."],
)
def test_a_path_is_a_name_and_no_pattern(path: str, api: ApiClient, code: Scratch, tmp_path: Path) -> None:
    before = snapshot(tmp_path)
    sha = code.git("rev-parse", ":/^Change and add")
    refused(api.get(f"{DIFF}{sha}", {"path": path}), 404, "not_found", "path")
    assert snapshot(tmp_path) == before


def test_nul_in_a_path_or_a_query(api: ApiClient, code: Scratch) -> None:
    sha = code.git("rev-parse", "main")
    refused(api.get(f"{DIFF}{sha}?path=a%00b"), 400, "invalid", "path")
    refused(api.get(f"{DIFF}{sha}%00"), 400, "invalid", "commit_sha")
    refused(api.get(f"{DIFF}{sha}?workflow_id=%00"), 400, "invalid", "workflow_id")


@pytest.fixture
def trap(tmp_path: Path) -> Path:
    """A program that leaves a mark where it is run."""
    program = tmp_path / "trap"
    program.write_text(f"#!/bin/sh\ntouch {tmp_path}/sprung\ncat\n", encoding="utf-8")
    program.chmod(0o755)
    return program


CONFIGURATION = [
    "core.fsmonitor", "core.pager", "core.editor", "core.sshCommand", "core.askPass", "core.gitProxy",
    "core.alternateRefsCommand", "diff.external", "diff.x.command", "diff.x.textconv", "diff.python.textconv",
    "filter.x.clean", "filter.x.smudge", "filter.x.process", "gpg.program", "gpg.ssh.program", "credential.helper",
    "pager.log", "pager.diff-tree", "pager.show", "pager.cat-file", "merge.x.driver", "sequence.editor",
    "uploadpack.packObjectsHook", "alias.log", "alias.diff-tree", "alias.cat-file", "alias.rev-parse",
    "interactive.diffFilter", "difftool.x.cmd", "remote.origin.uploadpack", "trailer.x.command", "web.browser",
]  # fmt: skip


def everything(api: ApiClient, ticket: Ticket, sha: str) -> None:
    """Each way in which a client can make the server look into a repository."""
    for form in (sha, sha[:8]):
        ok(api.get(DIFF + form))
        ok(api.get(f"{DIFF}{form}?path=a.py&context=9"))
        assert api.get(f"{DIFF}{form}/patch").getvalue()
    ok(api.write(LINK, {"ticket_id": ticket.id, "commit_sha": sha[:8]}))
    ok(api.get("/api/workflows/alpha/repositories"))


def test_what_a_repositorys_configuration_names_is_not_run(
    api: ApiClient, ticket: Ticket, code: Scratch, trap: Path, tmp_path: Path
) -> None:
    sha, renamed = (code.git("rev-parse", f":/^{subject}") for subject in ("Change and add", "Rename"))
    for name in CONFIGURATION:
        code.git("config", name, f"!{trap}" if name.startswith("alias") else str(trap))
    included = tmp_path / "root" / "included"
    included.write_text(f"[diff]\n\texternal = {trap}\n[core]\n\tfsmonitor = {trap}\n", encoding="utf-8")
    for name, value in {
        "include.path": str(included), "includeIf.gitdir:/**.path": str(included), "log.showSignature": "true",
        "core.hooksPath": str(tmp_path), "diff.x.cachetextconv": "true",
            "core.attributesFile": str(tmp_path / "attributes"),
        "remote.origin.url": f"ext::{trap}", "remote.origin.promisor": "true", "extensions.partialClone": "origin",
        "core.untrackedCache": "true", "submodule.recurse": "true", "diff.submodule": "diff", "color.ui": "always",
        "diff.noprefix": "true", "diff.renames": "false", "diff.orderFile": "/etc/passwd", "core.quotePath": "false",
        "diff.context": "0", "diff.interHunkContext": "50", "diff.algorithm": "histogram", "diff.relative": "true",
        "log.mailmap": "true", "mailmap.file": str(tmp_path / "mailmap"), "i18n.logOutputEncoding": "latin1",
    }.items():  # fmt: skip
        code.git("config", name, value)
    for file in (tmp_path / "attributes", code.folder / ".git" / "info" / "attributes", code.folder / ".gitattributes"):
        file.write_text("* diff=x filter=x merge=x\n*.py diff=python\n", encoding="utf-8")
    (tmp_path / "mailmap").write_text("Somebody Else <other@example.org> <ada@example.org>\n", encoding="utf-8")
    everything(api, ticket, sha)
    assert not (tmp_path / "sprung").exists()
    body = ok(api.get(DIFF + renamed))
    assert {file["status"] for file in body["files"]} == {"renamed"}, "its configuration changes no answer either"
    assert "\x1b" not in str(body)
    assert body["author_name"] == "Ada Lovelace"


def test_hooks_are_not_run(api: ApiClient, ticket: Ticket, code: Scratch, trap: Path, tmp_path: Path) -> None:
    hooks = code.folder / ".git" / "hooks"
    hooks.mkdir(exist_ok=True)
    for name in (
        "fsmonitor-watchman", "post-checkout", "post-index-change", "pre-auto-gc", "reference-transaction",
        "pre-commit", "post-rewrite", "prepare-commit-msg",
    ):  # fmt: skip
        (hooks / name).unlink(missing_ok=True)
        os.link(trap, hooks / name)
    everything(api, ticket, code.git("rev-parse", ":/^Change and add"))
    assert not (tmp_path / "sprung").exists()


def test_the_servers_own_environment_does_not_reach_git(
    api: ApiClient, ticket: Ticket, secret: Scratch, trap: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = trap.parent
    sha = Scratch(here / "root" / "code").git("rev-parse", ":/^Change and add")
    for name, value in {
        "GIT_EXTERNAL_DIFF": str(trap), "GIT_PAGER": str(trap), "GIT_SSH_COMMAND": str(trap),
        "GIT_DIR": str(secret.folder / ".git"), "GIT_OBJECT_DIRECTORY": str(secret.folder / ".git" / "objects"),
        "GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "diff.external", "GIT_CONFIG_VALUE_0": str(trap),
        "GIT_TRACE": str(here / "trace"), "GIT_TRACE2": str(here / "trace2"), "GIT_DIFF_OPTS": "-u0",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    everything(api, ticket, sha)
    for mark in ("sprung", "trace", "trace2"):
        assert not (here / mark).exists()


def test_a_repository_that_is_read_is_not_written(api: ApiClient, ticket: Ticket, code: Scratch) -> None:
    before = snapshot(code.folder)
    everything(api, ticket, code.git("rev-parse", ":/^Change and add"))
    assert snapshot(code.folder) == before


def elsewhere_by_link(code: Scratch, secret: Scratch) -> None:
    code.folder.rename(code.folder.with_name("before"))
    code.folder.symlink_to(secret.folder)


def elsewhere_by_a_part_of_the_path(code: Scratch, secret: Scratch) -> None:
    inside = code.folder.parent / "inner"
    inside.symlink_to(secret.folder.parent)
    Workflow.objects.update(repositories=[str(inside / secret.folder.name)])


def elsewhere_by_dots(code: Scratch, secret: Scratch) -> None:
    Workflow.objects.update(repositories=[f"{code.folder}/../../outside/secret"])


def elsewhere_by_git_file(code: Scratch, secret: Scratch) -> None:
    (code.folder / ".git").rename(code.folder / "was-git")
    (code.folder / ".git").write_text(f"gitdir: {secret.folder / '.git'}\n", encoding="utf-8")


def elsewhere_by_git_link(code: Scratch, secret: Scratch) -> None:
    (code.folder / ".git").rename(code.folder / "was-git")
    (code.folder / ".git").symlink_to(secret.folder / ".git")


def elsewhere_by_common_dir(code: Scratch, secret: Scratch) -> None:
    (code.folder / ".git" / "commondir").write_text(f"{secret.folder / '.git'}\n", encoding="utf-8")


def elsewhere_by_objects(code: Scratch, secret: Scratch) -> None:
    objects = code.folder / ".git" / "objects"
    objects.rename(objects.with_name("was-objects"))
    objects.symlink_to(secret.folder / ".git" / "objects")


def elsewhere_by_alternates(code: Scratch, secret: Scratch) -> None:
    alternates = code.folder / ".git" / "objects" / "info" / "alternates"
    alternates.write_text(f"# borrowed\n{secret.folder / '.git' / 'objects'}\n", encoding="utf-8")


def elsewhere_by_relative_alternates(code: Scratch, secret: Scratch) -> None:
    objects = code.folder / ".git" / "objects"
    target = os.path.relpath(secret.folder / ".git" / "objects", objects)
    (objects / "info" / "alternates").write_text(f"{target}\n", encoding="utf-8")


def elsewhere_by_quoted_alternates(code: Scratch, secret: Scratch) -> None:
    target = str(secret.folder / ".git" / "objects").replace("/", "\\057")
    (code.folder / ".git" / "objects" / "info" / "alternates").write_text(f'"{target}"\n', encoding="utf-8")


def elsewhere_by_borrowing_of_one_that_borrows(code: Scratch, secret: Scratch) -> None:
    between = Scratch(code.folder.parent / "between")
    elsewhere_by_alternates(between, secret)
    alternates = code.folder / ".git" / "objects" / "info" / "alternates"
    alternates.write_text(f"{between.folder / '.git' / 'objects'}\n", encoding="utf-8")


ESCAPES = [
    elsewhere_by_link, elsewhere_by_a_part_of_the_path, elsewhere_by_dots, elsewhere_by_git_file, elsewhere_by_git_link,
    elsewhere_by_common_dir, elsewhere_by_objects, elsewhere_by_alternates, elsewhere_by_relative_alternates,
    elsewhere_by_quoted_alternates, elsewhere_by_borrowing_of_one_that_borrows,
]  # fmt: skip


@pytest.mark.parametrize("escape", ESCAPES, ids=lambda escape: escape.__name__)
def test_a_repository_that_leads_out_of_the_root_is_not_read(
    escape: Callable[[Scratch, Scratch], None], api: ApiClient, ticket: Ticket, code: Scratch, secret: Scratch
) -> None:
    sha = secret.git("rev-parse", "main")
    escape(code, secret)
    for form in (sha, sha[:5]):
        for address in (f"{DIFF}{form}", f"{DIFF}{form}/patch", f"{DIFF}{form}?path=passwords"):
            refused(api.get(address), 404, "not_found", "commit_sha")
        answer = api.write(LINK, {"ticket_id": ticket.id, "commit_sha": form})
        refused(answer, 404, "not_found", "commit_sha")
        assert str(secret.folder) not in answer.content.decode()
    listed = ok(api.get("/api/workflows/alpha/repositories"))["repositories"]
    assert [(row["readable"], row["head_sha"]) for row in listed] == [(False, None)]


def test_what_is_borrowed_within_the_root_is_read(api: ApiClient, code: Scratch) -> None:
    borrowing = code.folder.parent / "borrowing"
    code.git("clone", "--quiet", "--shared", str(code.folder), str(borrowing))
    Workflow.objects.update(repositories=[str(borrowing)])
    assert ok(api.get(DIFF + code.git("rev-parse", "main")))["repository"] == "borrowing"


def test_links_in_a_commit_are_shown_and_never_followed(api: ApiClient, code: Scratch, secret: Scratch) -> None:
    os.symlink(secret.folder / "passwords", code.folder / "link")
    os.symlink("/etc/passwd", code.folder / "etc")
    sha = code.commit("Links out of the tree")
    body = ok(api.get(DIFF + sha))
    assert {file["new_mode"] for file in body["files"]} == {"120000"}
    assert "hunter2" not in str(body)
    assert "root:" not in str(body)


def test_a_folder_that_is_no_repository_finds_none_above_it(root: Path, api: ApiClient, code: Scratch) -> None:
    inside = code.folder / "deep"
    assert inside.is_dir()
    Workflow.objects.update(repositories=[str(inside), str(root), str(root / "absent"), str(code.folder / "a.py")])
    refused(api.get(DIFF + code.git("rev-parse", "main")), 404, "not_found", "commit_sha")
    for repository in repositories_of(Workflow.objects.get()):
        with pytest.raises(RepositoryUnreadable):
            repository.checked()


def test_one_that_cannot_be_read_does_not_hide_the_others(root: Path, api: ApiClient, code: Scratch) -> None:
    (root / "broken").mkdir()
    (root / "broken" / ".git").write_text("nonsense", encoding="utf-8")
    Workflow.objects.update(repositories=[str(root / "broken"), str(code.folder)])
    sha = code.git("rev-parse", "main")
    assert ok(api.get(DIFF + sha))["repository"] == "code"
    assert "broken" in refused(api.get(f"{DIFF}{'0' * 40}"), 404, "not_found", "commit_sha")["message"]


def test_objects_that_are_lost_are_not_fetched(api: ApiClient, code: Scratch, trap: Path, tmp_path: Path) -> None:
    sha = code.git("rev-parse", ":/^Change and add")
    blob = code.git("rev-parse", f"{sha}:a.py")
    (code.folder / ".git" / "objects" / blob[:2] / blob[2:]).unlink()
    for name, value in {
        "core.repositoryformatversion": "1", "extensions.partialClone": "origin", "remote.origin.promisor": "true",
        "remote.origin.url": f"ext::{trap}", "protocol.allow": "always", "protocol.ext.allow": "always",
    }.items():  # fmt: skip
        code.git("config", name, value)
    error = refused(api.get(DIFF + sha), 503, "not_available")
    assert str(code.folder) not in error["message"]
    refused(api.get(f"{DIFF}{sha}/patch"), 503, "not_available")
    assert not (tmp_path / "sprung").exists()


def test_git_is_ended_with_its_time_and_its_output(code: Scratch, tmp_path: Path) -> None:
    with pytest.raises(TookTooLong):
        run(code.folder, "cat-file", "--batch-all-objects", "--batch", timeout=0.0)
    with pytest.raises(TooMuchOutput):
        run(code.folder, "cat-file", "--batch-all-objects", "--batch", max_output=10)
    with pytest.raises(RepositoryUnreadable):
        run(code.folder, "rev-parse", "a\0b")


def test_a_slow_git_is_busy_and_no_fault(api: ApiClient, code: Scratch, monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(*_: Any, **__: Any) -> Any:
        raise TookTooLong("git took longer than 20 seconds.")

    monkeypatch.setattr("gitlinks.selectors.diffs.compare", slow)
    error = refused(api.get(DIFF + code.git("rev-parse", "main~3")), 503, "busy")
    assert error["retryable"] is True


def test_names_with_line_breaks_do_not_pass_for_others(root: Path, secret: Scratch) -> None:
    strange = root / f"x\n{root}"
    strange.parent.mkdir(parents=True, exist_ok=True)
    os.symlink(secret.folder, strange)
    assert not lies_within(strange, root)
    inside = Scratch(root / "a\nb")
    assert not lies_within(inside.folder, root)
    with pytest.raises(RepositoryUnreadable):
        Repository(inside.folder, ("alpha",)).checked()


def test_two_tickets_of_one_workflow_share_no_more_than_they_may(api: ApiClient, code: Scratch) -> None:
    beta = make_workflow("beta")
    outsider = make_agent(beta)
    other = make_ticket(outsider, beta)
    sent = {"ticket_id": other.id, "commit_sha": code.git("rev-parse", "main")}
    refused(api.write(LINK, sent), 404, "not_found", "ticket_id")
    refused(api_client(outsider).write(LINK, sent), 404, "not_found", "commit_sha")

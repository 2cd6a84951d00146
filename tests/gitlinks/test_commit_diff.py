"""What a commit changed, over REST and in the SDK's words: fields, parents, limits, one file, the patch."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from gitlinks import diffs, git
from gitlinks.diffs import Limits
from gitlinks.selectors import diffs as selectors
from gitlinks.services import commit_link_unverified
from tests.answers import ok, refused
from tests.factories import AgentWithToken, ApiClient, api_client, make_agent, make_ticket, make_workflow
from tests.gitlinks.repositories import ENVIRONMENT, TEN_LINES, Scratch, linked, odd, ordinary
from tickets.models import Agent, Workflow
from tickets.unit import open_ticket

DIFF = "/api/tickets/commit-diff/"


@pytest.fixture
def code(root: Path) -> Scratch:
    return ordinary(root / "code")


@pytest.fixture
def workflow(code: Scratch, db: None) -> Workflow:
    return make_workflow("alpha", repositories=[str(code.folder)])


@pytest.fixture
def agent(workflow: Workflow) -> AgentWithToken:
    return make_agent(workflow, agent_id="agent-ada")


@pytest.fixture
def api(agent: AgentWithToken) -> ApiClient:
    return api_client(agent)


def by_path(body: Any) -> dict[str, Any]:
    return {file["path"]: file for file in body["files"]}


def test_a_commit_has_the_designs_fields(api: ApiClient, code: Scratch) -> None:
    sha = code.git("rev-parse", ":/^Change and add")
    for address in (f"{DIFF}{sha}", f"/tickets/commit-diff/{sha[:9].upper()}"):
        body = ok(api.get(address))
        assert body["commit_sha"] == sha
        assert (body["message"], body["author_name"]) == ("Change and add", "Ada Lovelace")
        assert body["timestamp"].endswith("Z")
        assert (body["files_changed"], body["insertions"], body["deletions"]) == (2, 2, 1)
        assert body["parents"] == [body["parent_sha"]] == [code.git("rev-parse", f"{sha}^")]
        assert body["truncated"] is False
        assert body["files"][0] == {
            "path": "a.py", "status": "modified", "insertions": 1, "deletions": 1, "language": "python",
            "old_path": None, "binary": False, "old_mode": "100644", "new_mode": "100644", "truncated": False,
            "diff": code.raw("diff", "--full-index", f"{sha}^", sha, "--", "a.py").decode(),
        }  # fmt: skip
        added = body["files"][1]
        assert (added["path"], added["status"], added["language"]) == ("deep/er/c.js", "added", "javascript")


def test_root_renames_copies_deletions_and_nothing(api: ApiClient, code: Scratch) -> None:
    root = ok(api.get(DIFF + code.git("rev-parse", ":/^Begin")))
    assert (root["parents"], root["parent_sha"], root["message"]) == ([], None, "Begin\n\nWith a body.")
    assert {file["status"] for file in root["files"]} == {"added"}
    renamed = by_path(ok(api.get(DIFF + code.git("rev-parse", ":/^Rename"))))
    assert (renamed["moved.txt"]["status"], renamed["moved.txt"]["old_path"]) == ("renamed", "same.txt")
    assert (renamed["deep/a.py"]["insertions"], renamed["deep/a.py"]["deletions"]) == (2, 2)
    copied = by_path(ok(api.get(DIFF + code.git("rev-parse", ":/^Copy"))))
    assert (copied["copy.txt"]["status"], copied["copy.txt"]["old_path"]) == ("copied", "moved.txt")
    assert (copied["b.txt"]["status"], copied["b.txt"]["new_mode"]) == ("deleted", None)
    empty = ok(api.get(DIFF + code.git("rev-parse", "main")))
    assert (empty["files"], empty["files_changed"], empty["message"], empty["truncated"]) == ([], 0, "", False)


def test_a_merge_is_against_its_first_parent_or_the_one_asked_for(api: ApiClient, code: Scratch) -> None:
    sha = code.git("rev-list", "--merges", "main")
    first = ok(api.get(DIFF + sha))
    assert first["parent_sha"] == first["parents"][0]
    assert set(by_path(first)) == {"merged.txt", "side.txt"}
    second = ok(api.get(f"{DIFF}{sha}?parent=2"))
    assert second["parent_sha"] == second["parents"][1]
    assert "main.txt" in by_path(second)
    error = refused(api.get(f"{DIFF}{sha}?parent=3"), 400, "invalid", "parent")
    assert error["allowed"] == [1, 2]
    refused(api.get(f"{DIFF}{sha}?parent=0"), 400, "invalid", "parent")


def test_links_submodules_modes_and_binary_files_say_what_they_are(root: Path, api: ApiClient) -> None:
    strange, links = odd(root / "odd"), linked(root / "linked")
    Workflow.objects.update(repositories=[str(strange.folder), str(links.folder)])
    contents = by_path(ok(api.get(DIFF + strange.git("rev-parse", ":/^Odd contents"))))
    assert (contents["binary"]["binary"], contents["binary"]["insertions"]) == (True, 0)
    assert contents["binary"]["diff"].endswith("Binary files /dev/null and b/binary differ\n")
    assert contents["link"]["new_mode"] == "120000"
    modes = by_path(ok(api.get(DIFF + strange.git("rev-parse", ":/^Modes"))))
    assert (modes["crlf"]["old_mode"], modes["crlf"]["new_mode"], modes["crlf"]["insertions"]) == (
        "100644",
        "100755",
        0,
    )
    assert modes["other\nline"]["old_path"] == "new\nline"
    assert "caf\ufffd" in modes["latin-\ufffd.txt"]["diff"], "bytes that are no UTF-8 are replaced"
    became = by_path(ok(api.get(DIFF + strange.git("rev-parse", ":/^Files become"))))
    assert became["link"]["status"] == "type_changed"
    assert became["link"]["diff"].count("diff --git ") == 2
    moved = by_path(ok(api.get(DIFF + links.git("rev-parse", ":/^Move it on"))))
    assert moved["sub"]["new_mode"] == "160000"
    assert "+Subproject commit" in moved["sub"]["diff"]


def test_one_file_and_more_context(api: ApiClient, code: Scratch) -> None:
    sha = code.git("rev-parse", ":/^Change and add")
    alone = ok(api.get(f"{DIFF}{sha}", {"path": "a.py", "context": "10"}))
    assert [file["path"] for file in alone["files"]] == ["a.py"]
    assert alone["files_changed"] == 2, "the commit's own counts stay"
    for line in TEN_LINES.splitlines():
        assert line in alone["files"][0]["diff"] or "line 3" in line
    bare = ok(api.get(f"{DIFF}{sha}?context=0"))
    assert len(bare["files"][0]["diff"]) < len(alone["files"][0]["diff"])
    refused(api.get(f"{DIFF}{sha}?path=b.txt"), 404, "not_found", "path")
    refused(api.get(f"{DIFF}{sha}?context=-1"), 400, "invalid", "context")
    refused(api.get(f"{DIFF}{sha}?context=999999"), 400, "invalid", "context")
    refused(api.get(f"{DIFF}{sha}?paths=a.py"), 400, "invalid", "paths")


def test_every_odd_name_can_be_asked_for_alone(root: Path, api: ApiClient) -> None:
    strange = odd(root / "odd")
    Workflow.objects.update(repositories=[str(strange.folder)])
    for sha in strange.shas():
        body = ok(api.get(DIFF + sha))
        for file in body["files"]:
            assert ok(api.get(f"{DIFF}{sha}", {"path": file["path"]}))["files"] == [file]


def test_beyond_300_files_the_diff_is_left_out_and_comes_alone(api: ApiClient, code: Scratch) -> None:
    for number in range(310):
        code.write(f"many/{number:03}.txt", f"{number}\n")
    sha = code.commit("Many")
    body = ok(api.get(DIFF + sha))
    assert (body["files_changed"], len(body["files"]), body["insertions"], body["truncated"]) == (310, 310, 310, True)
    assert all(file["diff"] and not file["truncated"] for file in body["files"][:300])
    assert all(file["diff"] is None and file["truncated"] for file in body["files"][300:])
    alone = ok(api.get(f"{DIFF}{sha}?path=many/309.txt"))
    assert alone["files"][0]["diff"].endswith("+309\n")
    assert (alone["truncated"], alone["files"][0]["truncated"]) == (False, False)


def test_large_diffs_are_cut_at_a_line_and_say_so(api: ApiClient, code: Scratch) -> None:
    line = "a line of a large file that many have written\n"
    for name, lines in (("1-large", 30_000), ("2-small", 3), ("3-large", 15_000), ("4-large", 15_000), ("5-last", 2)):
        code.write(name, line * lines)
    code.write("6-long", "x" * 3_000_000)
    sha = code.commit("Large")
    files = by_path(ok(api.get(DIFF + sha)))
    assert (files["1-large"]["insertions"], files["1-large"]["truncated"]) == (30_000, True)
    assert files["1-large"]["diff"].endswith(line)
    assert (files["2-small"]["truncated"], files["2-small"]["diff"].count("+a line")) == (False, 3)
    assert sum(len(file["diff"] or "") for file in files.values()) <= 1024 * 1024
    assert files["6-long"]["truncated"] is True
    alone = ok(api.get(f"{DIFF}{sha}?path=3-large"))["files"][0]
    assert (alone["truncated"], alone["diff"].count("\n+a line")) == (False, 15_000)
    most = ok(api.get(f"{DIFF}{sha}?path=1-large"))["files"][0]
    assert most["truncated"] is True
    assert len(most["diff"]) > len(files["1-large"]["diff"])


def test_files_beyond_the_list_are_counted_and_come_alone(
    api: ApiClient, code: Scratch, monkeypatch: pytest.MonkeyPatch
) -> None:
    short = Limits(listed=3)
    monkeypatch.setattr(
        selectors,
        "compare",
        lambda *a, **named: diffs.compare(*a, **{"limits": None if "paths" in named else short, **named}),
    )
    for number in range(5):
        code.write(f"{number}.txt", f"{number}\n")
    sha = code.commit("Five")
    body = ok(api.get(DIFF + sha))
    assert (body["files_changed"], body["insertions"], len(body["files"]), body["truncated"]) == (5, 5, 3, True)
    assert ok(api.get(f"{DIFF}{sha}?path=4.txt"))["files"][0]["diff"].endswith("+4\n")
    refused(api.get(f"{DIFF}{sha}?path=5.txt"), 404, "not_found", "path")


def test_the_patch_is_a_file_that_git_applies(root: Path, api: ApiClient, tmp_path: Path) -> None:
    strange = odd(root / 'odd"; é')
    Workflow.objects.update(repositories=[str(strange.folder)])
    for number, sha in enumerate(strange.shas()[::-1]):
        response = api.get(f"{DIFF}{sha[:10]}/patch")
        content = response.getvalue()
        assert response.status_code == 200
        assert response["Content-Type"] == "text/x-patch"
        name = f"odd%22%3B%20%C3%A9-{sha[:12]}.patch"
        assert response["Content-Disposition"] == f"attachment; filename*=utf-8''{name}"
        assert int(response["Content-Length"]) == len(content)
        if number == 0:
            strange.git("worktree", "add", "--quiet", "--detach", str(tmp_path / "tree"), sha)
            continue
        apply = ["git", "-C", str(tmp_path / "tree"), "apply", "--index", "--whitespace=nowarn", "-"]
        subprocess.run(apply, input=content, check=True, env=ENVIRONMENT)
        tree = subprocess.run(
            ["git", "-C", str(tmp_path / "tree"), "write-tree"],
            capture_output=True,
            check=True,
            text=True,
            env=ENVIRONMENT,
        )
        assert tree.stdout.strip() == strange.git("rev-parse", f"{sha}^{{tree}}")


def test_a_patch_that_is_too_large_is_refused(api: ApiClient, code: Scratch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gitlinks.diffs.MAX_PATCH", 10)
    refused(api.get(f"{DIFF}{code.git('rev-parse', ':/^Begin')}/patch"), 413, "too_large")


def test_the_author_is_an_agent_of_that_address_or_name(api: ApiClient, code: Scratch, agent: AgentWithToken) -> None:
    sha = code.git("rev-parse", "main")
    assert ok(api.get(DIFF + sha))["author_agent_id"] is None
    by_name = make_agent(Workflow.objects.get(), agent_id="zoe")
    Agent.objects.filter(pk=by_name.id).update(name="Ada LOVELACE")
    assert ok(api.get(DIFF + sha))["author_agent_id"] == "zoe"
    Agent.objects.filter(pk=agent.id).update(email="ADA@example.org")
    assert ok(api.get(DIFF + sha))["author_agent_id"] == agent.id


def test_without_such_an_agent_the_author_is_who_linked_it(
    api: ApiClient, code: Scratch, agent: AgentWithToken
) -> None:
    sha = code.git("rev-parse", "main")
    with open_ticket(agent.actor, make_ticket(agent).id) as (unit, ticket):
        commit_link_unverified(unit, ticket, sha, "Told before it was pushed")
    assert ok(api.get(DIFF + sha))["author_agent_id"] == agent.id


def test_only_the_callers_repositories_are_looked_into(root: Path, api: ApiClient, code: Scratch) -> None:
    other = Scratch(root / "other")
    other.write("secret", "x")
    sha = other.commit("Secret")
    make_workflow("beta", repositories=[str(other.folder)])
    stranger = make_agent(make_workflow("gamma"))
    mine = code.git("rev-parse", "main")
    for form in (sha, sha[:6]):
        for address in (f"{DIFF}{form}", f"{DIFF}{form}/patch", f"{DIFF}{form}?workflow_id=alpha"):
            refused(api.get(address), 404, "not_found", "commit_sha")
        refused(api.get(f"{DIFF}{form}?workflow_id=beta"), 404, "not_found", "workflow_id")
    refused(api_client(stranger).get(DIFF + mine), 404, "not_found", "commit_sha")
    refused(api_client(None).get(DIFF + mine), 401, "unauthenticated")
    viewer = make_agent(Workflow.objects.get(pk="alpha"), Workflow.objects.get(pk="beta"), role="viewer")
    assert ok(api_client(viewer).get(f"{DIFF}{mine}?workflow_id=alpha"))["commit_sha"] == mine
    refused(api_client(viewer).get(f"{DIFF}{mine}?workflow_id=beta"), 404, "not_found", "commit_sha")
    assert ok(api_client(viewer).get(DIFF + sha))["repository"] == "other"


def test_what_was_read_once_is_not_compared_again(
    api: ApiClient, code: Scratch, monkeypatch: pytest.MonkeyPatch
) -> None:
    sha = code.git("rev-parse", ":/^Copy")
    asked = []
    stream = git.stream

    def watched(folder: Path, *arguments: str, **named: Any) -> Any:
        if "diff-tree" in arguments:
            asked.append(arguments)
        return stream(folder, *arguments, **named)

    monkeypatch.setattr(git, "stream", watched)
    first = ok(api.get(DIFF + sha))
    assert len(asked) == 1
    assert ok(api.get(DIFF + sha)) == first
    assert len(asked) == 1
    ok(api.get(f"{DIFF}{sha}?context=4"))
    assert len(asked) == 2


def test_what_is_kept_is_not_shown_to_who_may_not_read_it(api: ApiClient, code: Scratch, agent: AgentWithToken) -> None:
    sha = code.git("rev-parse", "main~2")
    ok(api.get(DIFF + sha))
    Workflow.objects.update(repositories=[])
    refused(api.get(DIFF + sha), 404, "not_found", "commit_sha")


def test_of_a_shallow_clone_the_oldest_commit_is_its_root(root: Path, api: ApiClient, code: Scratch) -> None:
    shallow = root / "shallow"
    code.git("clone", "--quiet", "--depth=1", f"file://{code.folder}", str(shallow))
    Workflow.objects.update(repositories=[str(shallow)])
    body = ok(api.get(DIFF + code.git("rev-parse", "main")))
    assert (body["parents"], body["files_changed"] > 5) == ([], True)

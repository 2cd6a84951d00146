"""Repositories of workflows: set by API, command and admin, listed with what can be read, checked at use."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from gitlinks.repositories import repositories_of, repositories_of_actor, repositories_of_all
from tests.answers import ok, refused
from tests.factories import ApiClient, api_client, make_agent, make_person, make_workflow
from tests.gitlinks.repositories import Scratch
from tickets.errors import Forbidden, NotFound
from tickets.models import Role, Workflow


@pytest.fixture
def code(root: Path) -> Scratch:
    repository = Scratch(root / "code")
    repository.write("a", "1\n")
    repository.commit("Begin")
    return repository


@pytest.fixture
def workflow(root: Path, db: None) -> Workflow:
    return make_workflow("alpha")


@pytest.fixture
def api(workflow: Workflow) -> ApiClient:
    return api_client(make_agent(workflow, role="maintainer"))


def names(workflow: Workflow) -> list[str]:
    workflow.refresh_from_db()
    return [Path(path).name for path in workflow.repositories]


def test_each_face_sets_them(root: Path, code: Scratch, workflow: Workflow, api: ApiClient) -> None:
    (root / "two.git").mkdir()
    sent = {"updates": {"repositories": [str(code.folder), "two.git"]}}
    ok(api.send("PATCH", "/api/workflows/alpha", sent))
    assert names(workflow) == ["code", "two.git"]
    said = StringIO()
    call_command("set_repositories", "alpha", "two.git", str(code.folder), stdout=said)
    assert names(workflow) == ["two.git", "code"]
    assert said.getvalue().splitlines()[-2:] == [f"{root / 'two.git'}: git cannot read it here", f"{code.folder}: main"]
    client = Client()
    client.force_login(make_person(superuser=True))
    action = {"action": "set_repositories", "_selected_action": ["alpha"]}
    page = client.post("/admin/tickets/workflow/", {**action, "repositories": f" \r\n{code.folder}\r\n"}, follow=True)
    assert b"alpha updated" in page.content
    assert names(workflow) == ["code"]
    page = client.post("/admin/tickets/workflow/", {**action, "repositories": "/etc"}, follow=True)
    assert b"is no folder under the allowed root" in page.content
    assert names(workflow) == ["code"]
    call_command("set_repositories", "alpha", stdout=said)
    assert names(workflow) == []


def test_no_face_takes_a_folder_outside_the_root(
    root: Path, workflow: Workflow, api: ApiClient, tmp_path: Path
) -> None:
    (root / "link").symlink_to(tmp_path)
    for path in ("/etc", "..", str(tmp_path), "link", "absent", f"{root}/../data", str(root) + "-beside"):
        sent = {"updates": {"repositories": [path]}}
        refused(api.send("PATCH", "/api/workflows/alpha", sent), 400, "invalid", "repositories")
        with pytest.raises(CommandError, match="allowed root"):
            call_command("set_repositories", "alpha", path)
    assert names(workflow) == []


def test_the_list_says_what_can_be_read(root: Path, code: Scratch, api: ApiClient) -> None:
    bare, empty, detached = root / "bare.git", Scratch(root / "empty"), root / "detached"
    code.git("clone", "--quiet", "--bare", str(code.folder), str(bare))
    code.git("clone", "--quiet", str(code.folder), str(detached))
    sha = code.git("rev-parse", "main")
    code.git("-C", str(detached), "checkout", "--quiet", "--detach")
    folders = [code.folder, bare, empty.folder, detached, root / "gone"]
    Workflow.objects.update(repositories=[str(folder) for folder in folders])
    listed = ok(api.get("/api/workflows/alpha/repositories"))
    rows = {
        row["name"]: (row["readable"], row["bare"], row["branch"], row["head_sha"]) for row in listed["repositories"]
    }
    assert rows == {
        "code": (True, False, "main", sha),
        "bare": (True, True, "main", sha),
        "empty": (True, False, "main", None),
        "detached": (True, False, None, sha),
        "gone": (False, None, None, None),
    }
    refused(api.get("/api/workflows/beta/repositories"), 404, "not_found", "workflow_id")
    refused(api_client(None).get("/api/workflows/alpha/repositories"), 401, "unauthenticated")


def test_a_repository_that_two_workflows_share_is_one(root: Path, db: None) -> None:
    folders = [root / name for name in ("one", "two", "three")]
    for folder in folders:
        folder.mkdir()
    one, two, three = map(str, folders)
    alpha = make_workflow("alpha", repositories=[one, two])
    beta = make_workflow("beta", repositories=[two, three])
    make_workflow("gamma")
    found = repositories_of(alpha, beta)
    assert [(repository.name, repository.workflow_ids) for repository in found] == [
        ("one", ("alpha",)), ("two", ("alpha", "beta")), ("three", ("beta",)),
    ]  # fmt: skip
    assert repositories_of_all() == found
    Workflow.objects.filter(pk="beta").update(is_active=False)
    assert [repository.name for repository in repositories_of_all()] == ["one", "two"]


def test_an_actor_has_those_of_its_workflows(root: Path, code: Scratch, db: None) -> None:
    alpha = make_workflow("alpha", repositories=[str(code.folder)])
    make_workflow("beta", repositories=[str(code.folder)])
    viewer = make_agent(alpha, role="viewer").actor
    assert [repository.workflow_ids for repository in repositories_of_actor(viewer)] == [("alpha",)]
    assert repositories_of_actor(viewer, role=Role.MEMBER) == []
    assert repositories_of_actor(viewer, "alpha") == repositories_of_actor(viewer)
    with pytest.raises(NotFound):
        repositories_of_actor(viewer, "beta")
    with pytest.raises(Forbidden):
        repositories_of_actor(viewer, "alpha", Role.MEMBER)

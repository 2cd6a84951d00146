"""Every commit as git itself shows it: statuses, counts, and patches that git applies."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gitlinks.diffs import compare, compare_file, patch
from gitlinks.repository import find_shas, read_commit, read_head
from tests.gitlinks.repositories import ALL, ENVIRONMENT, Scratch

pytestmark = pytest.mark.sqlite_only  # nothing here depends on the database

ROOT = Path(__file__).resolve().parents[2]
FIRST_PARENT = ("--diff-merges=first-parent", "--find-renames", "--find-copies")


@pytest.fixture(scope="module", params=ALL, ids=lambda make: make.__name__)
def repository(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Scratch:
    make: Callable[[Path], Scratch] = request.param
    return make(tmp_path_factory.mktemp("generated") / "repository")


def records(text: bytes) -> Iterator[bytes]:
    """What git says with -z, one record to a file, its paths in the record."""
    parts = iter(text.split(b"\0"))
    for part in parts:
        if part.startswith(b":"):
            status = part.rsplit(b" ", 1)[1]
            paths = [next(parts) for _ in range(2 if status[:1] in b"RC" else 1)]
            yield b"\0".join([status[:1], *paths])
        elif counts := re.fullmatch(rb"(\S+\t\S+)\t(.*)", part, re.DOTALL):
            paths = [counts[2]] if counts[2] else [next(parts), next(parts)]
            yield b"\0".join([counts[1], *paths])


def shown(repository: Scratch, sha: str, form: str) -> list[bytes]:
    return list(records(repository.raw("show", "--format=", "-z", form, *FIRST_PARENT, sha)))


def check_against_git(repository: Scratch, sha: str, scratch: Path) -> None:
    base = repository.parent(sha)
    found = compare(repository.folder, base, sha)
    paths = [[path for path in (file.old_path, file.path) if path is not None] for file in found.files]
    statuses = [b"\0".join([file.status.encode(), *names]) for file, names in zip(found.files, paths, strict=True)]
    assert statuses == shown(repository, sha, "--raw"), sha
    counts = [
        b"\0".join([b"-\t-" if file.is_binary else b"%d\t%d" % (file.insertions or 0, file.deletions or 0), *names])
        for file, names in zip(found.files, paths, strict=True)
    ]
    assert counts == shown(repository, sha, "--numstat"), sha
    assert found.files_changed == len(found.files)
    assert found.insertions == sum(file.insertions or 0 for file in found.files)
    for file in found.files:
        if not file.truncated:
            assert file.diff is not None, (sha, file)
            assert file.diff.startswith(b"diff --git "), (sha, file)
            added = [line for line in file.diff.split(b"\n") if re.match(rb"\+(?!\+\+ )", line)]
            assert len(added) >= (file.insertions or 0), (sha, file)
    apply_like_git(repository, base, sha, scratch)


def apply_like_git(repository: Scratch, base: str | None, sha: str, scratch: Path) -> None:
    """The patch turns the parent's tree into the commit's."""
    with (scratch / "patch").open("wb") as target:
        patch(repository.folder, base, sha, target)
    index = str(scratch / "index")
    repository.git("read-tree", *([base] if base else ["--empty"]), GIT_INDEX_FILE=index)
    if (scratch / "patch").stat().st_size:
        repository.git("apply", "--cached", "--whitespace=nowarn", str(scratch / "patch"), GIT_INDEX_FILE=index)
    tree = repository.git("write-tree", "--missing-ok", GIT_INDEX_FILE=index)
    assert tree == repository.git("rev-parse", f"{sha}^{{tree}}"), sha


def test_statuses_counts_and_patches_are_those_of_git(repository: Scratch, tmp_path: Path) -> None:
    for sha in repository.shas():
        check_against_git(repository, sha, tmp_path)


def test_each_parent_of_a_merge_can_be_compared_with(repository: Scratch, tmp_path: Path) -> None:
    for sha in repository.git("rev-list", "--all", "--merges").split():
        for number in range(1, len(read_head(repository.folder, sha).parents) + 1):
            parent = repository.parent(sha, number)
            found = compare(repository.folder, parent, sha)
            raw = repository.raw("diff", "--raw", "-z", "--find-renames", "--find-copies", str(parent), sha)
            assert found.files_changed == len(list(records(raw)))
            apply_like_git(repository, parent, sha, tmp_path)


def test_a_file_alone_has_the_diff_that_it_has_among_all(repository: Scratch) -> None:
    for sha in repository.shas():
        base = repository.parent(sha)
        for file in compare(repository.folder, base, sha).files:
            assert compare_file(repository.folder, base, sha, file) == file


def test_heads_and_counts_of_commits_are_those_of_git(repository: Scratch) -> None:
    for sha in repository.shas():
        commit = read_commit(repository.folder, sha)
        said = repository.git("log", "--no-walk", "--format=%H%n%P%n%an%n%ae%n%ct", sha).split("\n")
        head = [commit.sha, " ".join(commit.parents), commit.author_name, commit.author_email]
        assert [*head, str(int(commit.committed_at.timestamp()))] == said
        listed = compare(repository.folder, repository.parent(sha), sha)
        assert (len(commit.files), commit.insertions, commit.deletions) == (
            listed.files_changed, listed.insertions, listed.deletions,
        )  # fmt: skip
        assert find_shas(repository.folder, sha) == [sha]
        assert sha in find_shas(repository.folder, sha[:7])


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_projects_own_history_is_as_git_shows_it(tmp_path: Path) -> None:
    """All of it where it is there; none in an export, and of a shallow clone what it has."""
    if not (ROOT / ".git").exists():
        pytest.skip("this is no checkout")
    clone = tmp_path / "clone"
    environment = {
        **ENVIRONMENT,
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "safe.directory",
        "GIT_CONFIG_VALUE_0": "*",
    }
    subprocess.run(["git", "clone", "--quiet", "--bare", str(ROOT), str(clone)], check=True, env=environment)
    repository = Scratch.__new__(Scratch)
    repository.folder = clone
    for sha in repository.git("rev-list", "HEAD").split():
        check_against_git(repository, sha, tmp_path)


def test_every_case_is_among_the_generated_commits(tmp_path: Path) -> None:
    """The comparison above proves nothing about a case that no commit has."""
    seen = set()
    for make in ALL:
        repository = make(tmp_path / make.__name__)
        for sha in repository.shas():
            parents = read_head(repository.folder, sha).parents
            seen.add({0: "root", 1: "one parent", 2: "merge"}.get(len(parents), "octopus"))
            files = compare(repository.folder, repository.parent(sha), sha).files
            seen.add("empty" if not files else "files")
            for file in files:
                modes = {file.old_mode, file.new_mode}
                seen |= {file.status, "binary" if file.is_binary else "text"}
                seen |= {"link" for mode in modes if mode == "120000"} | {
                    "submodule" for mode in modes if mode == "160000"
                }
                if len(modes - {None}) == 2:
                    seen.add("mode")
                if b"\xef\xbf\xbd" in file.shown_path.encode():
                    seen.add("name of other bytes")
                if "\n" in file.shown_path:
                    seen.add("name with a line break")
    assert seen >= {
        "root", "one parent", "merge", "octopus", "empty", "files", "binary", "text", "link", "submodule", "mode",
        "name of other bytes", "name with a line break", "A", "M", "D", "R", "C", "T",
    }  # fmt: skip

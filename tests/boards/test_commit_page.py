"""The window on a commit as the server renders it: real repositories, hostile names and content."""

from __future__ import annotations

import html
import re
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from gitlinks.models import TicketCommit
from tests.boards.pages import browser_of
from tests.factories import make_agent, make_person, make_ticket, make_workflow
from tests.gitlinks.repositories import Scratch
from tickets.models import Workflow

pytestmark = pytest.mark.django_db

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(1)>\"'&amp;"


@pytest.fixture
def code(tmp_path: Path, settings: Any) -> Scratch:
    settings.REPOSITORY_ROOT = tmp_path
    return Scratch(tmp_path / "code")


@pytest.fixture
def workflow(code: Scratch) -> Workflow:
    return make_workflow("anvil", name="Anvil", repositories=[str(code.folder)])


def shown(browser: Client, address: str, status: int = 200) -> str:
    response = browser.get(address)
    assert response.status_code == status, response.content[:500]
    return str(response.content.decode())


def diff(browser: Client, sha: str, index: int = 0, **query: Any) -> str:
    asked = "&".join(f"{name}={value}" for name, value in {"workflow": "anvil", **query}.items())
    return shown(browser, f"/commits/{sha}/files/{index}?{asked}")


def words(part: str) -> str:
    return html.unescape(re.sub(r"<[^>]+>", "", part))


def rows(part: str, kind: str) -> list[tuple[str, str]]:
    """(number, code) of the rows of a kind in a unified diff."""
    found = re.findall(rf'<tr class="{kind}"[^>]*>(.*?)</tr>', part)
    return [(re.findall(r'data-n="(\d+)"', row)[0], words(row.rpartition("<td")[2].partition(">")[2])) for row in found]


def test_a_page_says_what_a_commit_is(code: Scratch, browser: Client, workflow: Workflow) -> None:
    agent = make_agent(workflow, agent_id="impl-1")
    ticket = make_ticket(agent, title="Sharpen")
    code.write("src/deep/one.py", "a = 1\n")
    code.write("two.txt", "one\ntwo\n")
    code.commit("First")
    code.write("src/deep/one.py", "a = 2\n")
    code.git("mv", "two.txt", "three.txt")
    sha = code.commit("Change one\n\nBecause of <b>that</b>.")
    TicketCommit.objects.create(
        id="c1", ticket=ticket, agent_id="impl-1", commit_sha=sha, commit_message="x",
        commit_timestamp=ticket.created_at,
    )  # fmt: skip
    page = shown(browser, f"/commits/{sha[:10]}?workflow=anvil")
    said = words(page)
    for text in ("Change one", "Because of <b>that</b>.", ticket.key, "2 files", "renamed from two.txt", "src/deep"):
        assert text in said
    assert sha in page
    assert f"git show {sha}" in said
    assert f"/api/tickets/commit-diff/{sha}/patch?workflow_id=anvil" in page
    assert "style=" not in page


def test_hostile_names_messages_and_lines_are_text(code: Scratch, browser: Client) -> None:
    name = f"{HOSTILE.replace('/', '')}.py"
    code.write(name, f"{HOSTILE}\n")
    code.write(b"latin-\xe9.txt", b"caf\xe9\n")
    sha = code.commit(f"{HOSTILE}\n\n{HOSTILE}", GIT_AUTHOR_NAME="Eve </title><script>")
    parts = [shown(browser, f"/commits/{sha}?workflow=anvil"), *(diff(browser, sha, index) for index in (0, 1))]
    for part in parts:
        assert "<script>alert" not in part
        assert "<img src=x" not in part
    assert HOSTILE in words(parts[1])
    assert "caf\ufffd" in words(parts[2])


def test_a_diff_has_numbers_colours_and_changed_words(code: Scratch, browser: Client) -> None:
    code.write("a.py", "def touch(sid):\n    return sid\n\n\nOTHER = 1\n")
    code.commit()
    code.write("a.py", "def touch(session_id):\n    return sid\n\n\nOTHER = 1\nNEW = 2\n")
    sha = code.commit()
    part = diff(browser, sha)
    assert rows(part, "del") == [("1", "def touch(sid):")]
    assert rows(part, "add") == [("1", "def touch(session_id):"), ("6", "NEW = 2")]
    assert '<mark><span class="n">session_id</span></mark>' in part
    assert '<span class="k">def</span>' in part
    assert 'data-changes="2"' in part
    split = diff(browser, sha, layout="split")
    assert re.search(r'data-n="1"></td><td class="cd del".*data-n="1"></td><td class="cd add"', split)


def test_colours_know_that_a_hunk_begins_inside_a_string(code: Scratch, browser: Client) -> None:
    text = 'x = """\n' + "".join(f"prose {number}\n" for number in range(20)) + '"""\ny = 1\n'
    code.write("a.py", text)
    code.commit()
    code.write("a.py", text.replace("prose 18", "prose eighteen"))
    part = diff(browser, code.commit())
    assert re.search(r'class="s\w*">(&quot;){3}</span>', part)
    assert '<span class="n">y</span>' in part


def test_a_gap_opens_from_both_ends(code: Scratch, browser: Client) -> None:
    lines = [f"line {number}\n" for number in range(1, 201)]
    code.write("a.txt", "".join(lines))
    code.commit()
    lines[9] = "ten\n"
    lines.insert(20, "between\n")
    lines[150] = "late\n"
    code.write("a.txt", "".join(lines))
    sha = code.commit()
    part = diff(browser, sha)
    heads = re.findall(r'<tr class="hunk"([^>]*)>', part)
    assert [re.findall(r'data-(\w+)="(-?\d+)"', head) for head in heads] == [
        [("from", "1"), ("to", "6"), ("delta", "0")],
        [("from", "14"), ("to", "17"), ("delta", "0")],
        [("from", "25"), ("to", "147"), ("delta", "1")],
        [("from", "155"), ("delta", "1")],
    ]
    answer = browser.get(f"/commits/{sha}/files/0/lines?workflow=anvil&from=25&to=26&delta=1").json()
    assert re.findall(r'data-n="(\d+)"', answer["html"]) == ["24", "25", "25", "26"]
    assert "line 24" in words(answer["html"])
    assert answer["more"] is True
    assert browser.get(f"/commits/{sha}/files/0/lines?workflow=anvil&from=190&to=209&delta=1").json()["more"] is False


@pytest.mark.parametrize("query", ["from=x&to=2", "from=5&to=1", "from=1&to=100000", "from=1&to=2&delta=%D9%A1", ""])
def test_odd_requests_for_lines_are_refused(code: Scratch, browser: Client, query: str) -> None:
    code.write("a.txt", "one\n")
    sha = code.commit()
    response = browser.get(f"/commits/{sha}/files/0/lines?workflow=anvil&{query}")
    assert response.status_code == 400
    assert response.json()["error"]["field"]


def test_files_without_lines_have_an_honest_face(code: Scratch, browser: Client) -> None:
    code.write("run.sh", "echo\n")
    code.write("old name.txt", "one\ntwo\nthree\n")
    code.write("turns", "a text\n")
    code.commit()
    code.write("binary.bin", bytes(range(256)))
    code.write("empty.txt", "")
    code.git("mv", "old name.txt", "new\tname.txt")
    (code.folder / "run.sh").chmod(0o755)
    (code.folder / "turns").unlink()
    (code.folder / "turns").symlink_to("/etc/passwd")
    code.git("update-index", "--add", "--cacheinfo", f"160000,{code.git('rev-parse', 'HEAD')},module")
    (code.folder / "module").mkdir()
    sha = code.commit()
    page = shown(browser, f"/commits/{sha}?workflow=anvil")
    names = re.findall(r'id="f(\d+)".*?class="path" title="([^"]*)"', page)
    faces = {name: words(diff(browser, sha, int(index))) for index, name in names}
    assert "A binary file" in faces["binary.bin"]
    assert "An empty file" in faces["empty.txt"]
    assert "Renamed; not a line changed" in faces["new\tname.txt"]
    assert "Only the mode changed" in faces["run.sh"]
    assert "Subproject commit" in faces["module"]
    assert "/etc/passwd" in faces["turns"]
    said = words(page)
    for fact in ("a file became an executable file", "a file became a symbolic link", "submodule", "binary"):
        assert fact in said


def test_hidden_and_control_characters_are_named(code: Scratch, browser: Client) -> None:
    code.write("a.py", "if admin:\u202e\u2066 # no\u2069\n\x1b[31mred\x00\r\n".replace("\x00", ""))
    part = diff(browser, code.commit())
    assert "U+202E" in part
    assert 'title="Right-to-left override"' in part
    assert "\u202e" not in part
    assert "\u241b[31mred" in words(part)


def test_line_endings_that_change_are_marked(code: Scratch, browser: Client) -> None:
    code.git("config", "core.autocrlf", "false")
    code.write("a.txt", "one\ntwo\n")
    code.commit()
    code.write("a.txt", "one\r\ntwo\r\n")
    part = diff(browser, code.commit())
    assert part.count(">CR</span>") == 2


def test_a_missing_line_break_at_the_end_is_said(code: Scratch, browser: Client) -> None:
    code.write("a.txt", "one")
    code.commit()
    code.write("a.txt", "two")
    sha = code.commit()
    assert words(diff(browser, sha)).count("No newline at end of file") == 2
    assert "No newline at end of file" in words(diff(browser, sha, layout="split"))


def test_a_long_diff_comes_in_pages_and_a_long_line_is_cut(code: Scratch, browser: Client) -> None:
    code.write("long.txt", "".join(f"{number}\n" for number in range(2500)) + "x" * 10_000 + "\n")
    sha = code.commit()
    assert '<span class="plus">+2,501</span>' in shown(browser, f"/commits/{sha}/files?workflow=anvil")
    first = diff(browser, sha)
    assert re.findall(r'data-page="(\d+)" data-lines="(\d+)"', first) == [
        *((str(page), "250") for page in range(10)),
        ("10", "2"),
    ]
    assert [number for number, _ in rows(first, "add")] == [str(number) for number in range(1, 250)]
    last = diff(browser, sha, page=10)
    assert rows(last, "add")[0] == ("2500", "2499")
    assert "6,000 more characters" in last
    assert browser.get(f"/commits/{sha}/files/0?workflow=anvil&page=11").status_code == 404


def test_many_files_come_in_parts(code: Scratch, browser: Client) -> None:
    for number in range(450):
        code.write(f"d{number % 7}/f{number:03}.txt", "x\n")
    sha = code.commit()
    page = shown(browser, f"/commits/{sha}?workflow=anvil")
    assert page.count('class="dfile"') == 200
    assert page.count('class="tree-item" href="#f') == 450
    assert re.findall(r'data-files="(\d+)"', page) == ["0", "200", "400"]
    rest = shown(browser, f"/commits/{sha}/files?workflow=anvil&from=400")
    assert re.findall(r'id="f(\d+)"', rest) == [str(number) for number in range(400, 450)]


def test_a_merge_is_compared_with_either_parent(code: Scratch, browser: Client) -> None:
    code.write("a.txt", "a\n")
    code.commit()
    code.git("checkout", "-q", "-b", "side")
    code.write("b.txt", "b\n")
    code.commit()
    code.git("checkout", "-q", "main")
    code.write("c.txt", "c\n")
    code.commit()
    code.git("-c", "user.name=A", "-c", "user.email=a@b", "merge", "-q", "--no-ff", "-m", "Merge", "side")
    sha = code.git("rev-parse", "HEAD")
    assert 'title="b.txt"' in shown(browser, f"/commits/{sha}?workflow=anvil")
    second = shown(browser, f"/commits/{sha}?workflow=anvil&parent=2")
    assert 'title="c.txt"' in second
    assert f"git diff {code.parent(sha, 2)} {sha}" in second
    assert "has 2 parents" in shown(browser, f"/commits/{sha}?workflow=anvil&parent=3", 400)


def test_others_see_nothing(code: Scratch, workflow: Workflow) -> None:
    code.write("a.txt", "secret\n")
    sha = code.commit("Secret")
    stranger = browser_of(make_person(make_workflow("other"), username="eve"))
    for path in ("", "/files", "/files/0", "/files/0/lines"):
        for query in ("", "?workflow=anvil"):
            response = stranger.get(f"/commits/{sha}{path}{query}")
            assert response.status_code == 404
            assert b"ecret" not in response.content
    assert Client().get(f"/commits/{sha}").status_code == 302


def test_a_commit_that_nobody_has_says_why(code: Scratch, browser: Client, workflow: Workflow) -> None:
    code.write("a.txt", "a\n")
    code.commit()
    ticket = make_ticket(make_agent(workflow, agent_id="impl-1"))
    missing = "ab" * 20
    TicketCommit.objects.create(
        id="c1", ticket=ticket, agent_id="impl-1", commit_sha=missing, commit_message=f"Says {HOSTILE}",
        commit_timestamp=ticket.created_at, verified=False,
    )  # fmt: skip
    said = words(shown(browser, f"/commits/{missing}?workflow=anvil", 404))
    for text in (f"No commit {missing} in code", ticket.key, "unverified", f"Says {HOSTILE}"):
        assert text in said
    assert "cannot be shown" in shown(browser, "/commits/zz?workflow=anvil", 400)


def test_an_abbreviation_of_two_commits_asks_which(code: Scratch, browser: Client) -> None:
    code.write("a.txt", "a\n")
    code.commit()
    one, other = code.alike()
    page = shown(browser, f"/commits/{one[:4]}?workflow=anvil", 400)
    assert f"/commits/{one}?workflow=anvil" in page
    assert f"/commits/{other}?workflow=anvil" in page


@pytest.mark.parametrize(
    ("template", "link"),
    [
        ("https://forge.example/r/-/commit/{sha}", "https://forge.example/r/-/commit/"),
        ("http://forge.example/{sha}", None),
        ("javascript:alert('{sha}')", None),
        ("https://{sha}.example/", None),
        ("https://forge.example/{sha.__class__}", None),
        ("https://[broken/{sha}", None),
    ],
)
def test_a_repository_names_its_forge(code: Scratch, browser: Client, template: str, link: str | None) -> None:
    code.write("a.txt", "a\n")
    sha = code.commit()
    code.git("config", "hephaestus.commitUrl", template)
    page = shown(browser, f"/commits/{sha}?workflow=anvil")
    assert ("View in forge" in page) == (link is not None)
    if link:
        assert f'href="{link}{sha}"' in page

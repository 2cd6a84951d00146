"""The window on a commit in a browser: a real repository, read by a real server."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import OpenPage, Site
from tests.browser.diff_world import HUGE, NAME, RTL, World, make_world, site_with
from tests.gitlinks.repositories import ENVIRONMENT

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("ticket")]

# Thousands of files are a heavy page for a machine that does much else.
SLOW = 45_000
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return make_world(tmp_path_factory.mktemp("root") / "code")


@pytest.fixture(scope="module")
def stopped_site(tmp_path_factory: pytest.TempPathFactory, world: World) -> Iterator[Site]:
    with site_with(world.code, tmp_path_factory.mktemp("site") / "data") as site:
        yield site


@pytest.fixture(scope="module")
def ticket(site: Site, world: World) -> dict[str, Any]:
    """A ticket that the commit is linked to."""
    made = site.agent.create("Hold back updates")
    site.agent.post("link-commit", ticket_id=made["ticket_id"], commit_sha=world.shas["change"])
    return made


def address(world: World, name: str) -> str:
    return f"/commits/{world.shas[name]}?workflow=forge"


def file(page: Page, path: str) -> Locator:
    return page.locator(".dfile").filter(has=page.locator(f'.path[title="{path}"]'))


def test_diffs_are_fetched_when_they_are_looked_at(open_page: OpenPage, world: World) -> None:
    asked: list[str] = []
    page = open_page(address(world, "many"))
    page.on("request", lambda request: asked.append(request.url))
    expect(page.locator(".dfile").first).to_be_visible()
    assert page.locator(".dfile[open]").count() == 0
    page.locator(".dfile > summary").nth(3).click()
    expect(page.locator(".dfile").nth(3).locator(".add .cd")).to_have_text("NUMBER = 150", timeout=SLOW)
    assert [url for url in asked if re.search(r"/files/\d", url)] == [
        f"{page.url.partition('?')[0]}/files/3?workflow=forge&layout=unified"
    ]


def test_lines_stand_under_or_beside_each_other_as_last_chosen(
    open_page: OpenPage, world: World, check_access: Callable[[Page], None], shots: Path
) -> None:
    page = open_page(address(world, "change"), color_scheme="dark")
    shown = file(page, "src/config/defaults.py")
    expect(shown.locator("tr.del")).to_have_count(3)
    check_access(page)
    page.get_by_role("button", name="Split").click()
    expect(shown.locator("td.del.cd")).to_have_count(3)
    file(page, "src/auth/session.py").evaluate("node => node.scrollIntoView()")
    expect(file(page, "src/auth/session.py").locator("mark").first).to_be_visible()
    page.wait_for_timeout(200)
    page.screenshot(path=shots / "diff-split-dark.png")
    page.evaluate("scrollTo(0, 0)")
    check_access(page)
    page.reload()
    expect(page.get_by_role("button", name="Split")).to_have_attribute("aria-pressed", "true")
    expect(shown.locator("td.del.cd")).to_have_count(3)
    expect(shown.locator("tr.del")).to_have_count(0)


def test_what_is_in_names_and_files_is_text(
    open_page: OpenPage, world: World, check_access: Callable[[Page], None]
) -> None:
    page = open_page(address(world, "change"))
    page.get_by_role("button", name="Open all").click()
    expect(file(page, NAME).locator(".add").first).to_contain_text("x = '<script>alert(1)</script>'")
    expect(file(page, NAME)).to_contain_text("U+202E")
    for path, face in (
        ("logo.bin", "A binary file"), ("empty.txt", "An empty file"), ("run.sh", "Only the mode changed"),
        ("requirements.txt", "renamed from reqs.txt"), ("link", "a file became a symbolic link"),
        ("caf\ufffd.txt", "deux caf\ufffds"), ("dos.txt", "CR"), (RTL, "session_end()"),
    ):  # fmt: skip
        expect(file(page, path)).to_contain_text(face)
    check_access(page)


def test_the_lines_around_a_change_open(open_page: OpenPage, world: World) -> None:
    page = open_page(address(world, "change"))
    shown = file(page, "src/auth/session.py")
    shown.locator("summary").scroll_into_view_if_needed()
    expect(shown).not_to_contain_text("import time")
    shown.get_by_role("button", name="Show the 10 lines from 1 to 10").click()
    expect(shown.locator("tr").nth(5)).to_have_text("import time")
    expect(shown.locator("tr.hunk")).to_have_count(2)
    shown.get_by_role("button", name=re.compile(r"Show 20 lines above line \d+")).click()
    expect(shown).to_contain_text("def part_20(self)")
    expect(shown).not_to_contain_text("def part_12(self)")
    numbers = shown.locator("td.ln:nth-child(2)").evaluate_all("cells => cells.map(cell => Number(cell.dataset.n))")
    assert [number for number in numbers if number] == sorted(number for number in numbers if number)
    shown.get_by_role("button", name=re.compile(r"Show 20 lines from \d+ on")).last.click()
    expect(shown).to_contain_text("return 29")
    assert shown.locator("tr[data-tail]").count() == 0


def test_keys_lead_through_changes_and_files(
    open_page: OpenPage, world: World, check_access: Callable[[Page], None]
) -> None:
    page = open_page(address(world, "change"))
    where, cursor = page.locator("[data-where]"), page.locator(".is-cursor")
    page.keyboard.press("n")
    expect(where).to_have_text("Change 1 of 1")
    expect(cursor.first).to_contain_text("x = ")
    for _ in range(2):
        before = cursor.first.inner_text()
        page.keyboard.press("n")
        expect(cursor.first).not_to_have_text(before)
    expect(file(page, "dos.txt").locator(".is-cursor")).to_have_count(2)
    page.keyboard.press("p")
    expect(file(page, "caf\ufffd.txt").locator(".is-cursor")).to_have_count(2)
    page.keyboard.press("j")
    focused = page.locator("summary:focus")
    expect(focused).to_contain_text("dos.txt")
    page.keyboard.press("Enter")
    expect(file(page, "dos.txt")).not_to_have_attribute("open", "")
    page.keyboard.press("j")
    page.keyboard.press("k")
    expect(focused).to_contain_text("dos.txt")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keyboard")).to_contain_text("next and previous change")
    page.keyboard.press("Escape")
    page.keyboard.press("t")
    expect(page.get_by_role("dialog", name="Jump to file")).to_be_visible()
    check_access(page)
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Collapse all").click()
    expect(page.locator(".dfile[open]")).to_have_count(0)


def test_a_file_among_thousands_is_found_by_its_name(open_page: OpenPage, world: World, shots: Path) -> None:
    page = open_page(address(world, "many"))
    expect(page.locator(".dfile")).to_have_count(200)
    page.keyboard.press("t")
    page.keyboard.type("4321")
    dialog = page.get_by_role("dialog", name="Jump to file")
    expect(dialog.get_by_role("button", name="module_4321.py")).to_be_visible()
    page.screenshot(path=shots / "diff-jump.png")
    page.keyboard.press("Enter")
    shown = file(page, "gen/part21/module_4321.py")
    expect(shown.locator(".add .cd")).to_have_text("NUMBER = 4321", timeout=SLOW)
    expect(shown.locator("summary")).to_be_focused()
    expect(page.locator(".filetree [aria-current]")).to_have_attribute("data-path", "gen/part21/module_4321.py")
    page.get_by_label("Filter the files").fill("part07/")
    expect(page.locator(".filetree li:not([hidden]) > a")).to_have_count(100)


def test_two_hundred_thousand_lines_are_there_and_few_of_them_in_the_page(
    open_page: OpenPage, world: World, shots: Path
) -> None:
    page = open_page(address(world, "huge"))
    page.locator(".dfile > summary").click()
    expect(page.locator(".add").first).to_contain_text("value_0 =")
    page.evaluate(
        "() => { window.tasks = []; new PerformanceObserver(list => tasks.push(...list.getEntries()"
        ".map(entry => entry.duration))).observe({ type: 'longtask' }) }"
    )
    page.mouse.move(800, 500)
    for _ in range(20):
        page.mouse.wheel(0, 2500)
        page.wait_for_timeout(50)
    for share in (0.25, 0.75, 1):
        page.evaluate("share => scrollTo(0, document.documentElement.scrollHeight * share)", share)
        page.wait_for_timeout(100)
    expect(page.locator(f'.ln[data-n="{HUGE}"]')).to_be_visible()
    expect(page.locator(".add").last).to_contain_text(f"value_{HUGE - 1} =")
    page.wait_for_function("document.querySelectorAll('.diff-part:not(.is-waiting)').length <= 3")
    (shots / "diff-long-tasks.json").write_text(json.dumps(page.evaluate("tasks")))


def test_commands_are_copied_and_the_patch_applies(
    open_page: OpenPage, world: World, tmp_path: Path, site: Site
) -> None:
    sha, code = world.shas["change"], world.code
    page = open_page(address(world, "change"), permissions=["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy the sha").click()
    expect(page.locator(".toast")).to_contain_text("Sha copied")
    assert page.evaluate("navigator.clipboard.readText()") == sha
    page.get_by_role("button", name="Copy git show").click()
    expect(page.locator(".toast").last).to_contain_text("Command copied")
    assert page.evaluate("navigator.clipboard.readText()") == f"git show {sha}"
    with page.expect_download() as waiting:
        page.get_by_role("link", name="Patch").click()
    assert waiting.value.suggested_filename == f"code-{sha[:12]}.patch"
    patch = waiting.value.path()
    copy = tmp_path / "copy"
    code.git("worktree", "add", "--quiet", "--detach", str(copy), world.shas["first"])
    command = ["git", "-C", str(copy), "apply", "--index", str(patch)]
    subprocess.run(command, check=True, env=ENVIRONMENT, capture_output=True)
    tree = subprocess.run(
        ["git", "-C", str(copy), "write-tree"], check=True, env=ENVIRONMENT, capture_output=True, text=True
    )
    assert tree.stdout.strip() == code.git("rev-parse", f"{sha}^{{tree}}")


def test_a_phone_shows_lines_under_each_other_inside_their_file(
    open_page: OpenPage, world: World, check_access: Callable[[Page], None], shots: Path
) -> None:
    page = open_page(address(world, "change"), **PHONE)
    expect(file(page, NAME).locator(".add")).to_have_count(2)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.screenshot(path=shots / "diff-phone.png")
    check_access(page)
    page.get_by_role("button", name="Jump to file").click()
    page.get_by_role("dialog").get_by_role("button", name="session.py").click()
    expect(file(page, "src/auth/session.py").locator("summary")).to_be_in_viewport()


def test_a_lost_server_offers_another_try(open_page: OpenPage, world: World) -> None:
    page = open_page(address(world, "change"), expect_errors=True)
    shown = file(page, "src/config/defaults.py")
    expect(shown.locator("tr.del")).to_have_count(3)
    page.route("**/files/*", lambda route: route.abort())
    page.get_by_role("button", name="Split").click()
    expect(file(page, NAME).get_by_role("alert")).to_contain_text("did not answer")
    page.unroute("**/files/*")
    file(page, NAME).get_by_role("button", name="Try again").click()
    expect(file(page, NAME).locator("td.add.cd")).to_have_count(2)


def test_a_commit_that_is_nowhere_says_why(open_page: OpenPage, check_access: Callable[[Page], None]) -> None:
    page = open_page(f"/commits/{'ab' * 20}?workflow=forge", expect_errors=True)
    expect(page.get_by_role("heading", level=1)).to_have_text("This commit cannot be shown")
    expect(page.locator("main")).to_contain_text(f"No commit {'ab' * 20} in code")
    check_access(page)


def test_a_commit_leads_to_its_ticket(open_page: OpenPage, world: World, ticket: dict[str, Any], shots: Path) -> None:
    page = open_page(address(world, "change"))
    expect(page.get_by_role("heading", level=1)).to_have_text(re.compile("Hold back updates"))
    head = page.locator(".commit-head")
    for text in ("impl-1", "12 files", ticket["key"], "<b>says so</b>"):
        expect(head).to_contain_text(text)
    expect(file(page, NAME).locator(".add")).to_have_count(2)
    page.screenshot(path=shots / "diff-light.png")
    page.get_by_role("link", name=f"Back to {ticket['key']}").click()
    expect(page).to_have_url(re.compile(ticket["key"]))

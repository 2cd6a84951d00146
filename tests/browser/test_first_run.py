"""From an empty database to the first ticket; the site as an application; the server away and back."""

from __future__ import annotations

import json
import re
import shlex
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.browser.board_page import wait_until_live
from tests.browser.conftest import PASSWORD, Agent, OpenPage, Site
from tests.server import installation

pytestmark = [pytest.mark.browser]

PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
ACTIVE = """async () => {
    const { active } = await navigator.serviceWorker.ready;
    if (active.state !== "activated") await new Promise(done => active.addEventListener("statechange", done));
}"""
LEFT_OVER = """async () => {
    await (await caches.open("hephaestus-0123456789abcdef")).put("/static/old.css", new Response("x"));
    await caches.open("of-another-application");
    await (await navigator.serviceWorker.getRegistration()).unregister();
}"""
HOSTILE = "</script><script>alert(1)</script>"


@pytest.fixture
def stopped_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site with an administrator and nothing else."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
    with installation(tmp_path_factory.mktemp("site") / "data") as installed:
        installed.manage(
            "createsuperuser", "--noinput", "--username=dana", "--email=dana@example.org",
            env={"DJANGO_SUPERUSER_PASSWORD": PASSWORD},
        )  # fmt: skip
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as http:
            yield Site(installed, port, Agent(http))


def run_curl(text: str) -> dict[str, Any]:
    """What the snippet's call answers, sent without the program."""
    words = shlex.split(text.replace("\\\n", ""))
    headers = dict(word.split(": ", 1) for place, word in enumerate(words) if words[place - 1] == "-H")
    answer = httpx.post(words[1], headers=headers, content=words[words.index("-d") + 1], timeout=30)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_from_nothing_to_the_first_ticket(
    open_page: OpenPage, stopped_site: Site, check_access: Callable[[Page], None], shots: Path
) -> None:
    with stopped_site.start():
        page = open_page("/tickets")
        expect(page.get_by_role("heading", level=1)).to_have_text("Nothing on the anvil yet")
        check_access(page)
        page.screenshot(path=shots / "first-run-light.png", full_page=True)
        page.emulate_media(color_scheme="dark")
        check_access(page)
        page.emulate_media(color_scheme="light")
        page.get_by_label("Name").fill("Shop")
        page.get_by_label("Prefix of its keys").fill("x")
        page.get_by_role("radio", name=re.compile("Security")).check()
        page.get_by_role("button", name="Create the workflow").click()
        expect(page.get_by_label("Prefix of its keys")).to_be_focused()
        assert page.get_by_label("Prefix of its keys").evaluate("node => node.matches(':invalid')")
        page.get_by_label("Prefix of its keys").press_sequentially("sh")
        expect(page.get_by_label("Prefix of its keys")).to_have_value(re.compile("^[XSH]{3}$"))
        page.get_by_label("Prefix of its keys").fill("SHOP")
        page.get_by_role("button", name="Create the workflow").click()

        expect(page.get_by_role("heading", level=1)).to_have_text("Connect an agent")
        expect(page).to_have_url(re.compile(r"/connect\?workflow=shop$"))
        expect(page.get_by_text("Keys begin with SHOP.")).to_contain_text("False Positive")
        wait_until_live(page)
        expect(page.locator("[data-wait]")).to_have_text("Waiting for the first agent.")
        page.locator("#c-agent-id").fill("two words")
        page.get_by_role("button", name="Issue a token").click()
        assert page.locator("#c-agent-id").evaluate("node => node.matches(':invalid')")
        page.locator("#c-agent-id").fill("impl-1")
        page.get_by_role("button", name="Issue a token").click()
        expect(page.locator("#c-token")).to_have_text(re.compile("^hpt_"))
        token = page.locator("#c-token").inner_text()
        seen = page.locator('[data-agents] [data-agent="impl-1"]')
        expect(seen).to_contain_text("not heard of yet")
        check_access(page)

        # The snippets are what they say: each holds the token, and the page shows one at a time.
        for client in ("Claude Code", "Codex", "Cursor", "VS Code", "Gemini CLI", "stdio", "Python", "curl"):
            page.get_by_role("button", name=client, exact=True).click()
            expect(page.locator("[data-client]:visible")).to_have_count(1)
            expect(page.locator("[data-client]:visible code")).to_contain_text(token)
        page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        page.locator("[data-clients]").get_by_role("button", name="Copy").click()
        copied = page.evaluate("navigator.clipboard.readText()")
        page.screenshot(path=shots / "connect-light.png", full_page=True)

        who = httpx.get(f"{stopped_site.url}/api/me", headers={"Authorization": f"Bearer {token}"})
        assert who.json()["agent"]["agent_id"] == "impl-1"
        expect(seen).to_contain_text(re.compile(r"connected \d+s ago"))
        expect(page.locator("[data-wait]")).to_have_text("impl-1 connected.")
        assert run_curl(copied)["success"]
        expect(page.locator("[data-wait]")).to_have_text("impl-1 created SHOP-1 My first ticket.")
        assert page.locator("[data-step]").evaluate_all(
            "steps => steps.every(step => step.classList.contains('is-done'))"
        )
        page.locator("[data-wait]").get_by_role("link").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("My first ticket")
        page.wait_for_load_state("networkidle")  # its scripts, before the server goes


def test_an_agent_that_is_there_gets_a_further_token(
    open_page: OpenPage, stopped_site: Site, check_access: Callable[[Page], None], shots: Path
) -> None:
    stopped_site.installed.manage("create_workflow", "forge", "--name", "Forge", "--key-prefix", "FRG")
    stopped_site.installed.manage("create_agent", "impl-1", "--workflow", "forge")
    with stopped_site.start():
        page = open_page("/connect?new", color_scheme="dark")
        expect(page.get_by_role("heading", level=1)).to_have_text("Another workflow")
        check_access(page)
        page.emulate_media(color_scheme="light")
        check_access(page)
        page.emulate_media(color_scheme="dark")
        page.get_by_label("Name").fill(HOSTILE)
        page.get_by_role("button", name="Create the workflow").click()
        expect(page.get_by_role("heading", name=f"Workflow “{HOSTILE}” exists")).to_be_visible()
        page.locator("#c-agent-id").fill("impl-1")
        page.get_by_role("button", name="Issue a token").click()
        expect(page.locator("#c-agent-fault")).to_contain_text("exists already")
        check_access(page)
        page.get_by_role("button", name="Issue it a further token").click()
        expect(page.locator("#c-token")).to_have_text(re.compile("^hpt_"))
        expect(page.locator("#c-agent-fault")).to_be_hidden()
        token = page.locator("#c-token").inner_text()
        mine = httpx.get(f"{stopped_site.url}/api/me", headers={"Authorization": f"Bearer {token}"}).json()
        assert sorted(mine["agent"]["memberships"].values()) == ["member", "member"]
        page.screenshot(path=shots / "connect-dark.png", full_page=True)
        phone = open_page("/connect", **PHONE)
        assert phone.evaluate("document.documentElement.scrollWidth") == 390
        check_access(phone)
        phone.screenshot(path=shots / "connect-phone.png", full_page=True)

        # The same by the Python snippet, as it stands there.
        page.get_by_role("button", name="Python", exact=True).click()
        code = page.locator("#c-python").inner_text()
        subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2], timeout=60)
        expect(page.locator("[data-wait]")).to_contain_text("impl-1 created")


def test_the_site_is_installed_and_says_when_the_server_is_away(
    open_page: OpenPage, stopped_site: Site, check_access: Callable[[Page], None], shots: Path
) -> None:
    with stopped_site.start() as server:
        page = open_page("/tickets", expect_errors=True, color_scheme="light")
        devtools = page.context.new_cdp_session(page)
        manifest = devtools.send("Page.getAppManifest")
        assert manifest["errors"] == []
        assert json.loads(manifest["data"])["short_name"] == "Hephaestus"
        page.evaluate(ACTIVE)
        faults = [fault["errorId"] for fault in devtools.send("Page.getInstallabilityErrors")["installabilityErrors"]]
        assert [fault for fault in faults if fault != "in-incognito"] == []
        # The theme is the person's, also on the page that was kept before they chose it.
        page.locator("[data-theme-toggle]").click()
        page.locator("[data-theme-toggle]").click()
        expect(page.locator("html")).to_have_attribute("data-theme", "dark")
        page.goto("/profile")
        kept = page.evaluate(
            """async () => {
                const urls = [];
                for (const name of await caches.keys())
                    for (const { url } of await (await caches.open(name)).keys()) urls.push(new URL(url).pathname);
                return urls;
            }"""
        )
        assert "/offline" in kept
        assert [url for url in kept if not url.startswith("/static/")] == ["/offline"], "nothing with data is kept"
        server.kill()
        page.goto("/connect", wait_until="domcontentloaded")
        expect(page.get_by_role("heading", level=1)).to_have_text("The server does not answer")
        assert page.url == f"{stopped_site.url}/connect"
        expect(page.locator("html")).to_have_attribute("data-theme", "dark")
        assert page.locator(".door-box").evaluate("node => getComputedStyle(node).display") == "grid", "with its styles"
        page.get_by_role("button", name="Ask now").click()
        expect(page.get_by_role("status")).to_have_text("Asking again by itself.")
        check_access(page)
        page.screenshot(path=shots / "offline-dark.png")
        page.evaluate("document.documentElement.dataset.theme = 'light'")
        check_access(page)
        answer = page.evaluate("fetch('/api/me').then(() => 'answered', () => 'failed')")
        assert answer == "failed", "the API is never answered from what was kept"

    with stopped_site.start():
        expect(page.get_by_role("heading", level=1)).to_have_text("Nothing on the anvil yet")
        expect(page.locator(".topbar")).to_be_visible()


def test_an_upgrade_clears_away_what_the_old_version_kept(open_page: OpenPage, stopped_site: Site) -> None:
    with stopped_site.start():
        page = open_page("/connect")
        page.evaluate(ACTIVE)
        names = "caches.keys()"
        before = page.evaluate(names)
        assert len(before) == 1
        # Only what is named as ours goes. The server names another version with each static file.
        page.evaluate(LEFT_OVER)
        page.reload()
        page.evaluate(ACTIVE)
        assert sorted(page.evaluate(names)) == sorted([*before, "of-another-application"])

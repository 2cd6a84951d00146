"""A real server, a real Chromium and an agent who works through REST beside them."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect, sync_playwright

from tests.server import Installation, Server, installation

if TYPE_CHECKING:
    from tests.browser.board_page import Operator

CHROMIUM = "/usr/bin/chromium"
FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip
PASSWORD = "correct-horse-battery"
# A busy machine is slow, and what must come quickly is measured elsewhere.
PATIENCE = 30_000  # ms
expect.set_options(timeout=PATIENCE)
# A violation of the policy is reported to the page itself, whatever the console does with it.
REPORT = (
    "addEventListener('securitypolicyviolation', e => console.error('CSP ' + e.violatedDirective + ' ' + e.blockedURI))"
)
AXE = {"runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22a", "wcag22aa"]}}


@dataclass
class Agent:
    """An agent with a token."""

    http: httpx.Client

    def post(self, path: str, **body: Any) -> dict[str, Any]:
        response = self.http.post(f"/api/tickets/{path}", json=body)
        assert response.status_code == 200, response.text
        answer: dict[str, Any] = response.json()
        return answer

    def create(self, title: str, **fields: Any) -> dict[str, Any]:
        fields.setdefault("description", "Made by an agent for a test.")
        return self.post("create", title=title, **fields)

    def move(self, ticket: dict[str, Any], status: str) -> dict[str, Any]:
        return self.post(
            "change-status", ticket_id=ticket["ticket_id"], new_status=status, comment="Going on with this one."
        )


@dataclass
class Site:
    """An installation with a workflow, a person and an agent, served on one port that a restart keeps."""

    installed: Installation
    port: int
    agent: Agent
    # Cookies of the person's last sign-in: a password is only hashed again where they no longer hold.
    cookies: Any = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> AbstractContextManager[Server]:
        return self.installed.serve(env={"HEPHAESTUS_PORT": str(self.port)})


@pytest.fixture(scope="session")
def laid_out(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """A database with the workflow, the agent and the person, to be copied; and the agent's token."""
    folder = tmp_path_factory.mktemp("laid-out") / "data"
    with installation(folder) as installed:
        installed.manage("create_workflow", "forge", "--name", "Forge", "--key-prefix", "FRG")
        token = installed.manage("create_agent", "impl-1", "--workflow", "forge").strip().splitlines()[-1]
        installed.manage(
            "createsuperuser", "--noinput", "--username=dana", "--email=dana@example.org",
            env={"DJANGO_SUPERUSER_PASSWORD": PASSWORD},
        )  # fmt: skip
        yield folder, token


@pytest.fixture(scope="module")
def stopped_site(tmp_path_factory: pytest.TempPathFactory, laid_out: tuple[Path, str]) -> Iterator[Site]:
    """A site of this module whose server does not run."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
    template, token = laid_out
    with installation(tmp_path_factory.mktemp("site") / "data") as installed:
        for path in template.glob("hephaestus.db*"):
            shutil.copy(path, installed.data_dir / path.name)
        base = f"http://127.0.0.1:{port}"
        with httpx.Client(base_url=base, headers={"Authorization": f"Bearer {token}"}, timeout=30) as http:
            yield Site(installed, port, Agent(http))


@pytest.fixture(scope="module")
def site(stopped_site: Site) -> Iterator[Site]:
    """The site of this module, served."""
    with stopped_site.start():
        yield stopped_site


@pytest.fixture(scope="module")
def agent(site: Site) -> Agent:
    """The agent who works in the workflow of this module's site."""
    return site.agent


@pytest.fixture(scope="module")
def operator(site: Site) -> Operator:
    """The person of this module's site, who makes workflows."""
    from tests.browser.board_page import Operator  # which speaks of what is here

    return Operator(site)


@pytest.fixture
def flow(operator: Operator) -> str:
    """A workflow of the test's own, and of each try of it: what waits in another's would count."""
    from tests.browser.board_page import COLUMNS, TYPES

    return operator.new_workflow("flow", {"columns": COLUMNS, "ticket_types": TYPES})


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    # No longer than the module: Playwright keeps a loop running, which asynchronous tests would not survive.
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield browser
        browser.close()


OpenPage = Callable[..., Page]


@pytest.fixture
def open_page(stopped_site: Site, chromium: Browser) -> Iterator[OpenPage]:
    """Opens a page, signed in unless told otherwise. At the end, no page may have complained about anything.

    ``expect_errors`` lets it: for pages that are meant to lose their server.
    """
    contexts: list[BrowserContext] = []
    complaints: list[str] = []

    def open_one(path: str = "/tickets", *, sign_in: bool = True, expect_errors: bool = False, **options: Any) -> Page:
        options.setdefault("viewport", {"width": 1440, "height": 900})
        if sign_in:
            options.setdefault("storage_state", stopped_site.cookies)
        context = chromium.new_context(base_url=stopped_site.url, **options)
        contexts.append(context)
        context.add_init_script(REPORT)
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        if not expect_errors:
            page.on("console", lambda message: _collect(complaints, message))
            page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(path)
        if sign_in and "/login" in page.url:
            page.get_by_label("Name").fill("dana")
            page.get_by_label("Password").fill(PASSWORD)
            page.get_by_role("button", name="Sign in").click()
            page.wait_for_url(lambda url: "/login" not in url)
            stopped_site.cookies = {"cookies": context.cookies(), "origins": []}
        return page

    yield open_one
    for context in contexts:
        context.close()
    assert complaints == []


# What Chromium says when a page is left while its socket is still connecting: nobody's fault.
LEFT_WHILE_CONNECTING = "WebSocket is closed before the connection is established"


# A refused operation is an answer; Chromium reports its status of its own accord.
REFUSED = ("the server responded with a status of 400", "the server responded with a status of 409")


def _collect(complaints: list[str], message: ConsoleMessage) -> None:
    if any(text in message.text for text in REFUSED) and "/api/" in str(message.location.get("url")):
        return
    if message.type in ("error", "warning") and LEFT_WHILE_CONNECTING not in message.text:
        complaints.append(f"{message.text} ({message.location.get('url')})")


@pytest.fixture
def check_access() -> Callable[[Page], None]:
    """Fails where axe-core finds anything against WCAG 2.2 A and AA."""

    def check(page: Page) -> None:
        found = Axe().run(page, options=AXE)
        assert found.violations_count == 0, found.generate_report()

    return check


@pytest.fixture
def shots(request: pytest.FixtureRequest) -> Path:
    """Where screenshots are kept as build artefacts: beside the caches, or in ``SCREENSHOTS``."""
    folder = Path(os.environ.get("SCREENSHOTS", str(request.config.rootpath / ".pytest_cache" / "screenshots")))
    folder.mkdir(parents=True, exist_ok=True)
    return folder

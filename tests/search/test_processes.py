"""Search over several processes: servers, commands and workers on the same data, some of them killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.search.embedding_double import KEY, EmbeddingDouble, Fault
from tests.server import MANAGE, Installation, Server, installation

pytestmark = pytest.mark.slow

LOCAL = {"EMBEDDING_PROVIDER": "local"}
SUBJECTS = ("printer", "giraffe", "orbit", "sandwich", "violin", "glacier", "tunnel", "parrot")


FAULTS = {
    "fine": Fault(),
    "error": Fault(status=500),
    "slow": Fault(hang=True),
    "garbage": Fault(body=b"<html>Bad gateway</html>"),
    "wrong dimension": Fault(
        change=lambda answer: answer.update(data=[{**d, "embedding": "AACAPw=="} for d in answer["data"]])
    ),
}


@contextmanager
def embedding_service(delay: float = 0.0) -> Iterator[EmbeddingDouble]:
    """A service that takes ``delay`` seconds for each answer."""
    with EmbeddingDouble().running() as service:
        service.always = Fault(change=lambda _answer: time.sleep(delay))
        yield service


def using(service: EmbeddingDouble) -> dict[str, str]:
    """The environment of a server that embeds by the service."""
    url = {"OPENAI_BASE_URL": service.url, "OPENAI_API_KEY": KEY}
    return {"EMBEDDING_PROVIDER": "openai", "EMBEDDING_MODEL": "text-embedding-3-small", **url}


def texts(service: EmbeddingDouble) -> int:
    """How many texts were embedded."""
    return sum(len(request.body["input"]) for request in service.requests)


def prepared(site: Installation) -> str:
    """A workflow with an agent; the agent's token."""
    site.manage("create_workflow", "alpha", "--name", "Alpha")
    return site.manage("create_agent", "ada", "--workflow", "alpha").splitlines()[-1]


@contextmanager
def client(server: Server, token: str) -> Iterator[httpx.Client]:
    headers = {"Authorization": f"Bearer {token}"}
    with httpx.Client(base_url=server.base_url, headers=headers, timeout=60) as opened:
        yield opened


def create(api: httpx.Client, title: str, description: str, **fields: Any) -> dict[str, Any]:
    answer = api.post("/api/tickets/create", json={"title": title, "description": description, **fields})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def search(api: httpx.Client, query: str, search_type: str = "hybrid") -> dict[str, Any]:
    answer = api.post("/api/tickets/search", json={"query": query, "search_type": search_type})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def by_meaning(api: httpx.Client, query: str) -> list[str]:
    """Titles, once the process has its model: the first questions do not wait until it is loaded."""
    found: dict[str, Any] = {}

    def is_whole() -> bool:
        found.update(search(api, query, "semantic"))
        return not found["degraded"]

    until(is_whole, "the model is loaded")
    return [row["title"] for row in found["results"]]


def index(api: httpx.Client) -> dict[str, Any]:
    found: dict[str, Any] = api.get("/api/workflows/alpha/search-index").json()
    return found


def until(condition: Callable[[], bool], what: str, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"never: {what}"
        time.sleep(0.05)


def import_lines(path: Path, count: int) -> Path:
    with path.open("w") as stream:
        for number in range(count):
            subject = SUBJECTS[number % len(SUBJECTS)]
            line = {
                "id": number,
                "title": f"The {subject} is broken, case {number}",
                "body": f"A {subject} fails. {number}",
            }
            stream.write(json.dumps(line) + "\n")
    return path


def test_a_ticket_of_one_process_is_found_by_meaning_in_two_others(tmp_path: Path) -> None:
    with installation(tmp_path / "data", LOCAL) as site:
        token = prepared(site)
        with site.serve() as one, site.serve("--no-worker") as two, client(one, token) as a, client(two, token) as b:
            create(a, "The kettle will not boil", "Water stays cold in the kitchen whatever one does.")
            until(lambda: index(a)["embedded"] == 1, "the ticket is embedded")
            assert by_meaning(b, "hot drink machine is defective") == ["The kettle will not boil"]
            create(a, "A kettle that leaks", "Water runs over the kitchen table out of the hot drink machine.")
            until(lambda: index(a)["embedded"] == 2, "the second ticket is embedded")
            assert "A kettle that leaks" in by_meaning(b, "hot drink machine is defective")
        # A process that begins now reads all of it from the database.
        with site.serve() as three, client(three, token) as c:
            assert len(by_meaning(c, "hot drink machine is defective")) == 2


def test_an_import_is_indexed_by_the_worker_of_a_running_server(tmp_path: Path) -> None:
    with installation(tmp_path / "data", LOCAL) as site:
        token = prepared(site)
        with site.serve() as server, client(server, token) as api:
            lines = import_lines(tmp_path / "issues.jsonl", 40)
            site.manage("import_tickets", str(lines), "--format", "jsonl", "--workflow", "alpha")
            until(lambda: index(api)["embedded"] == 40, "all embedded")
            assert index(api)["waiting"] == 0
            assert "giraffe" in by_meaning(api, "giraffes")[0]


def test_two_workers_at_once_embed_everything_once_each(tmp_path: Path) -> None:
    with embedding_service() as service, installation(tmp_path / "data", using(service)) as site:
        token = prepared(site)
        lines = import_lines(tmp_path / "issues.jsonl", 60)
        site.manage("import_tickets", str(lines), "--format", "jsonl", "--workflow", "alpha")
        with site.serve() as one, site.serve() as two, client(one, token) as a, client(two, token) as b:
            until(lambda: index(a)["embedded"] == 60 and index(a)["waiting"] == 0, "all embedded")
            for api in (a, b):
                assert index(api)["failing"] == 0
                # The first one waits no longer for the provider's library to load than for the provider.
                until(lambda: search(api, "giraffe", "semantic")["degraded"] is False, "a whole search")  # noqa: B023


def test_a_worker_that_is_killed_while_indexing_is_made_up_for(tmp_path: Path) -> None:
    with embedding_service(delay=0.05) as service, installation(tmp_path / "data", using(service)) as site:
        token = prepared(site)
        lines = import_lines(tmp_path / "issues.jsonl", 120)
        site.manage("import_tickets", str(lines), "--format", "jsonl", "--workflow", "alpha")
        for _ in range(3):
            with site.serve() as server:
                with client(server, token) as api:
                    before = index(api)["embedded"]
                    until(lambda: index(api)["embedded"] > before, "some progress")  # noqa: B023 - called at once
                server.kill()
        # Whoever was killed held jobs; the command waits for their leases to run out.
        site.manage("reindex", "--changed-only", "--workflow", "alpha")
        with site.serve() as server, client(server, token) as api:
            state = index(api)
            assert (state["embedded"], state["waiting"], state["tickets"]) == (120, 0, 120)
            assert search(api, "giraffe 9", "semantic")["total_found"] > 0
        assert "clean" in site.manage("check_integrity")


def test_reindex_that_is_killed_goes_on_where_it_was(tmp_path: Path) -> None:
    with embedding_service(delay=0.1) as service, installation(tmp_path / "data", using(service)) as site:
        prepared(site)
        lines = import_lines(tmp_path / "issues.jsonl", 100)
        site.manage("import_tickets", str(lines), "--format", "jsonl", "--workflow", "alpha")
        process = subprocess.Popen([sys.executable, str(MANAGE), "reindex"], env=site.env, start_new_session=True)
        until(lambda: texts(service) > 20, "the command is at work")
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        done = texts(service)
        site.manage("reindex", "--changed-only")
        assert 0 < done < texts(service)


def test_without_its_provider_the_server_creates_and_finds_by_words_and_catches_up_alone(tmp_path: Path) -> None:
    with embedding_service() as service, installation(tmp_path / "data", using(service)) as site:
        token = prepared(site)
        with site.serve() as server, client(server, token) as api:
            service.always = FAULTS["error"]
            made = create(api, "The printer is on fire", "Flames come out of the printer on the second floor.")
            assert made["embedding_created"] is False
            found = search(api, "printer")
            assert found["degraded"] is True
            assert found["degraded_reason"]
            assert found["search_type"] == "keyword"
            assert [row["title"] for row in found["results"]] == ["The printer is on fire"]
            assert api.get("/readyz").status_code == 200
            service.released.set()
            service.always = FAULTS["fine"]
            until(lambda: index(api)["embedded"] == 1, "the ticket is embedded", 90)
            until(lambda: search(api, "printer")["degraded"] is False, "search is whole again", 90)


@pytest.mark.parametrize("mode", ["slow", "garbage", "wrong dimension", "error"])
def test_whatever_the_provider_answers_creating_and_finding_go_on(tmp_path: Path, mode: str) -> None:
    with embedding_service() as service, installation(tmp_path / "data", using(service)) as site:
        token = prepared(site)
        with site.serve() as server, client(server, token) as api:
            service.always = FAULTS[mode]
            for number in range(5):
                made = create(api, f"The violin squeaks {number}", "Its strings are old, or the player is.")
                assert made["embedding_created"] is False
            assert search(api, "violin")["total_found"] == 5
            service.released.set()
            service.always = FAULTS["fine"]
            until(lambda: index(api)["embedded"] == 5, "all are embedded", 120)


def test_eight_clients_write_and_search_at_once_without_an_error(tmp_path: Path) -> None:
    faults: list[str] = []
    with installation(tmp_path / "data", LOCAL) as site:
        token = prepared(site)
        with site.serve() as server:

            def work(place: int) -> None:
                with client(server, token) as api:
                    for number in range(6):
                        subject = SUBJECTS[place]
                        create(api, f"A {subject} number {number} of {place}", f"This {subject} has its own trouble.")
                        for mode in ("hybrid", "semantic", "keyword"):
                            body = search(api, f"{subject} trouble", mode)
                            # On a busy machine its embedding may be left to a job.
                            if not body["results"] and mode != "semantic":
                                faults.append(f"{place}.{number} {mode}: {body}")

            threads = [threading.Thread(target=work, args=(place,)) for place in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            with client(server, token) as api:
                until(lambda: index(api)["embedded"] == 48, "all embedded")
                found = search(api, "giraffe trouble", "semantic")
                assert found["degraded"] is False
                assert found["total_found"] >= 6
    assert not faults

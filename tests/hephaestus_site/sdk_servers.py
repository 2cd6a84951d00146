"""Real servers for tests of the SDK: one that is killed and comes back, and a bad line in front of it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

from hephaestus_site.sdk import Client
from tests.server import Installation, Server, installation

WORKFLOW = "shop"
TEXT = "Long enough to be a description."


class Place:
    """A server at an address that stays its own, with the workflow ``shop`` and tokens for it."""

    def __init__(self, site: Installation, stack: ExitStack, env: dict[str, str] | None = None) -> None:
        self.site = site
        self._stack = stack
        self._env = env or {}
        self.server = stack.enter_context(site.serve(env=self._env))
        self.base_url = self.server.base_url
        self.operator = self._token("create_agent", "op", "--operator")
        with Client(self.base_url, self.operator) as client:
            client.workflows.create(workflow_id=WORKFLOW, name="Shop", ticket_tracking_enabled=True)
        self.token = self.agent("agent-1")

    def agent(self, agent_id: str, *options: str) -> str:
        """A token of an agent that is a member."""
        return self._token("create_agent", agent_id, "--workflow", WORKFLOW, *options)

    def kill(self) -> None:
        self.server.kill()

    def restart(self) -> Server:
        port = str(urlsplit(self.base_url).port)
        self.server = self._stack.enter_context(self.site.serve(env={**self._env, "HEPHAESTUS_PORT": port}))
        return self.server

    def _token(self, *command: str) -> str:
        return self.site.manage(*command).split()[-1]


@contextmanager
def place(folder: Path, env: dict[str, str] | None = None) -> Iterator[Place]:
    with ExitStack() as stack:
        yield Place(stack.enter_context(installation(folder)), stack, env)


class BadLine:
    """Passes connections on to a server, after it has done to the first ones what ``faults`` says, one each.

    ``swallow`` lets the request through and loses the answer; anything else is sent in the server's place.
    """

    def __init__(self, base_url: str, faults: list[str | bytes]) -> None:
        parts = urlsplit(base_url)
        self._target = (parts.hostname or "", parts.port or 0)
        self._faults = list(faults)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.base_url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def faults_left(self) -> int:
        return len(self._faults)

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                fault = self._faults.pop(0) if self._faults else None
                threading.Thread(target=self._serve, args=(near, fault), daemon=True).start()

    def _serve(self, near: socket.socket, fault: str | bytes | None) -> None:
        with near, suppress(OSError):
            if isinstance(fault, bytes):
                near.recv(65536)
                near.sendall(fault)
                return
            with socket.create_connection(self._target) as far:
                threading.Thread(target=_pass_on, args=(near, far), daemon=True).start()
                if fault is None:
                    _pass_on(far, near)
                else:
                    far.recv(65536)
                    # Closing alone would wait for the thread that reads from it.
                    near.shutdown(socket.SHUT_RDWR)


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)


def http_answer(status: str, body: bytes = b"", *headers: str) -> bytes:
    """An answer of HTTP as it goes over the line."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *headers, "", ""]
    return "\r\n".join(lines).encode() + body

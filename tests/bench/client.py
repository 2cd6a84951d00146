"""A client that costs next to nothing beside the server: one socket kept open, nothing parsed but the frame."""

from __future__ import annotations

import json
import socket
import time
from dataclasses import dataclass
from typing import Any

TIMEOUT = 60.0  # seconds
RECEIVE = 256 * 1024


@dataclass(frozen=True)
class Call:
    """A request without its credential. ``status`` is the answer that is no error."""

    method: str
    path: str
    body: dict[str, Any] | None = None
    status: int = 200


@dataclass(frozen=True)
class Reply:
    """An answer. ``seconds``: from the first byte sent to the last byte received."""

    status: int
    body: bytes
    seconds: float

    def json(self) -> Any:
        return json.loads(self.body)


class Connection:
    """One keep-alive connection. Opened anew where the server has closed it."""

    def __init__(self, port: int, headers: dict[str, str]) -> None:
        self._port = port
        self._headers = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        self._socket: socket.socket | None = None

    def send(self, call: Call) -> Reply:
        """Raises OSError where the connection breaks."""
        content = b"" if call.body is None else json.dumps(call.body).encode()
        lines = f"{call.method} {call.path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{self._headers}"
        if call.body is not None:
            lines += f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n"
        message = lines.encode() + b"\r\n" + content
        if self._socket is None:
            self._socket = socket.create_connection(("127.0.0.1", self._port), TIMEOUT)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            start = time.perf_counter()
            self._socket.sendall(message)
            status, body, close = _read_reply(self._socket)
            seconds = time.perf_counter() - start
        except OSError:
            self.close()
            raise
        if close:
            self.close()
        return Reply(status, body, seconds)

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def _read_reply(sock: socket.socket) -> tuple[int, bytes, bool]:
    """Status, body, and whether the server closes the connection."""
    data = _receive(sock)
    while (end := data.find(b"\r\n\r\n")) < 0:
        data += _receive(sock)
    status = int(data[9:12])
    head = data[:end].lower()
    body = data[end + 4 :]
    if b"\r\ntransfer-encoding: chunked" in head:
        while not body.endswith(b"0\r\n\r\n"):
            body += _receive(sock)
        return status, _dechunk(body), b"\r\nconnection: close" in head
    place = head.find(b"\r\ncontent-length:")
    length = int(head[place + 17 :].split(b"\r\n", 1)[0]) if place >= 0 else 0
    if len(body) < length:
        parts = [body]
        missing = length - len(body)
        while missing > 0:
            parts.append(_receive(sock))
            missing -= len(parts[-1])
        body = b"".join(parts)
    return status, body, b"\r\nconnection: close" in head


def _receive(sock: socket.socket) -> bytes:
    data = sock.recv(RECEIVE)
    if not data:
        raise ConnectionResetError("the server closed the connection")
    return data


def _dechunk(body: bytes) -> bytes:
    parts: list[bytes] = []
    while True:
        size, _, rest = body.partition(b"\r\n")
        length = int(size, 16)
        if length == 0:
            return b"".join(parts)
        parts.append(rest[:length])
        body = rest[length + 2 :]

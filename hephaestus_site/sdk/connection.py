"""Where the server is and who asks."""

from __future__ import annotations

import ipaddress
import os
from dataclasses import dataclass, field
from urllib.parse import quote, urlsplit

from hephaestus_site.sdk.errors import Invalid

DEFAULT_TIMEOUT = 30.0
DEFAULT_RETRY_SECONDS = 30.0


@dataclass(frozen=True)
class Connection:
    """An address with a credential. Times in seconds; ``retry_seconds`` is how long an outage is sat out."""

    base_url: str
    token: str | None = field(default=None, repr=False)
    agent_id: str | None = None
    timeout: float = DEFAULT_TIMEOUT
    retry_seconds: float = DEFAULT_RETRY_SECONDS

    def __post_init__(self) -> None:
        parts = urlsplit(self.base_url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise Invalid(f"base_url {self.base_url!r} is no address such as http://127.0.0.1:8000.", field="base_url")
        if self.token is not None and not (self.token.isascii() and self.token.isprintable()):
            raise Invalid("The token holds characters that no token has.", field="token")
        object.__setattr__(self, "base_url", self.base_url.rstrip("/"))

    @property
    def headers(self) -> dict[str, str]:
        headers = {"User-Agent": "hephaestus-sdk"}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        if self.agent_id:
            headers["X-Agent-ID"] = self.agent_id
        return headers

    @property
    def api_url(self) -> str:
        return f"{self.base_url}/api/"

    def events_url(self, workflow_id: str, since: int | None) -> str:
        """Address of a workflow's live events."""
        query = "" if since is None else f"?since={since}"
        return f"ws{self.base_url.removeprefix('http')}/ws/workflows/{quote(workflow_id, safe='')}/{query}"

    @property
    def through_proxy(self) -> bool:
        """Whether the environment's proxy may be asked: this machine is not reached through one."""
        host = urlsplit(self.base_url).hostname or ""
        try:
            return not ipaddress.ip_address(host).is_loopback
        except ValueError:
            return host != "localhost"


def url_from_environment() -> str | None:
    return os.environ.get("HEPHAESTUS_URL") or None


def token_from_environment() -> str | None:
    return os.environ.get("HEPHAESTUS_TOKEN") or None

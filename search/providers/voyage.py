"""Voyage AI's embeddings, which Anthropic recommends: the design's ``provider: anthropic``."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, ClassVar

from search.errors import ProviderDown
from search.providers.base import Thresholds
from search.providers.remote import (
    ANSWER_SECONDS,
    ATTEMPTS,
    CONNECT_SECONDS,
    LONGEST_PAUSE,
    RETRIED,
    Model,
    RemoteProvider,
    asked_pause,
)

if TYPE_CHECKING:
    import httpx

# Voyage publishes no scale. The floor is low, so that what is found is cut too late rather than too early.
_UNMEASURED = Thresholds(floor=0.25, related=0.5, possible_duplicate=0.75, duplicate=0.9)
_SHORTER = (256, 512, 2048)


class VoyageProvider(RemoteProvider["httpx.Client"]):
    """By its HTTP interface (docs.voyageai.com/reference/embeddings-api). Queries and documents differ."""

    name = "voyage"
    title = "Voyage"
    # Of the present generation; the design's voyage-large-2 is one of those kept for who has used them.
    default_model = "voyage-4"
    models: ClassVar = {
        **{
            model: Model(1024, _UNMEASURED, others=_SHORTER)
            for model in (
                "voyage-4-large",
                "voyage-4",
                "voyage-4-lite",
                "voyage-3-large",
                "voyage-3.5",
                "voyage-3.5-lite",
                "voyage-code-3",
            )
        },
        "voyage-large-2": Model(1536, _UNMEASURED),
        "voyage-code-2": Model(1536, _UNMEASURED),
    }
    other_thresholds = _UNMEASURED

    def _open(self) -> httpx.Client:
        import httpx

        return httpx.Client(
            base_url=self._base_url or "https://api.voyageai.com/v1",
            headers={"Authorization": f"Bearer {self._key}"} if self._key else {},
            timeout=httpx.Timeout(ANSWER_SECONDS, connect=CONNECT_SECONDS),
        )

    def _ask(self, texts: list[str], *, query: bool) -> bytes:
        import httpx

        request: dict[str, Any] = {
            "input": texts,
            "model": self.model,
            "input_type": "query" if query else "document",
            "truncation": True,
        }
        if self.shortened:
            request["output_dimension"] = self.dimensions
        failure = ProviderDown(f"{self._who} was not asked.")
        for attempt in range(1, ATTEMPTS + 1):
            pause = 0.5 * 2 ** (attempt - 1)
            try:
                answer = self._client.post("embeddings", json=request)
            except httpx.TimeoutException:
                failure = self._late()
            except httpx.RequestError as error:
                failure = self._unreachable(error)
            else:
                if answer.is_success:
                    return answer.content
                failure = self._failed(answer.status_code, answer.content)
                pause = asked_pause(answer.headers.get("retry-after")) or pause
                if not (answer.status_code >= 500 or answer.status_code in RETRIED) or pause > LONGEST_PAUSE:
                    break
            if attempt < ATTEMPTS:
                time.sleep(pause)
        raise failure

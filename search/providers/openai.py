"""OpenAI's embeddings, and those of any server that speaks its API."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from search.providers.base import Thresholds
from search.providers.remote import (
    ANSWER_SECONDS,
    ATTEMPTS,
    CONNECT_SECONDS,
    LONGEST_PAUSE,
    Model,
    RemoteProvider,
    asked_pause,
)

if TYPE_CHECKING:
    import httpx2
    from openai import OpenAI

# 0.7 and 0.9 are the design's. A question and the article that answers it measure 0.44, another question 0.08
# (afurmanov.com/chunk-size-embedding-similarity), so that 0.7 as a floor would leave nothing.
_THIRD = Thresholds(floor=0.25, related=0.5, possible_duplicate=0.7, duplicate=0.9)
# Its cosines rarely are below 0.7 (s-anand.net/blog/embeddings-similarity-threshold).
_ADA = Thresholds(floor=0.75, related=0.83, possible_duplicate=0.9, duplicate=0.95)


class OpenAIProvider(RemoteProvider["OpenAI"]):
    """By the official client, which also does the retries. Without a key none is sent."""

    name = "openai"
    title = "OpenAI"
    default_model = "text-embedding-3-large"
    models: ClassVar = {
        "text-embedding-3-large": Model(3072, _THIRD, others=range(1, 3072)),
        "text-embedding-3-small": Model(1536, _THIRD, others=range(1, 1536)),
        "text-embedding-ada-002": Model(1536, _ADA),
    }
    other_thresholds = _THIRD

    def _open(self) -> OpenAI:
        import httpx2
        import openai

        return openai.OpenAI(
            # It takes no empty one.
            api_key=self._key or "none",
            base_url=self._base_url,
            max_retries=ATTEMPTS - 1,
            http_client=openai.DefaultHttpxClient(
                timeout=httpx2.Timeout(ANSWER_SECONDS, connect=CONNECT_SECONDS),
                event_hooks={"response": [_bound_pause]},
            ),
        )

    def _ask(self, texts: list[str], *, query: bool) -> bytes:
        import openai

        try:
            # Raw, because the client does not check what it parses.
            answer = self._client.embeddings.with_raw_response.create(
                input=texts,
                model=self.model,
                dimensions=self.dimensions if self.shortened else openai.omit,
                extra_headers=None if self._key else {"Authorization": openai.Omit()},
            )
        except openai.APIStatusError as error:
            raise self._failed(error.status_code, error.response.content) from None
        except openai.APITimeoutError:
            raise self._late() from None
        except openai.OpenAIError as error:
            raise self._unreachable(error.__cause__ or error) from None
        return answer.content


def _bound_pause(response: httpx2.Response) -> None:
    """Keep the client from waiting for up to two minutes, as it would, where a service asks for that."""
    if asked_pause(response.headers.get("retry-after")) > LONGEST_PAUSE:
        response.headers["x-should-retry"] = "false"

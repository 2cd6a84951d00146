"""What a text really costs, by the ranks of o200k_base."""

from __future__ import annotations

import functools
import json
from typing import Any

import bpe_openai  # type: ignore[import-untyped]  # published without types


@functools.cache
def _encoding() -> Any:
    return bpe_openai.get_encoding("o200k_base")


def tokens(text: str) -> int:
    return len(_encoding().encode(text))


def answer_tokens(result: Any) -> int:
    """What a tool's answer costs in both its forms together."""
    text = "".join(part.text for part in result.content)
    return tokens(text) + tokens(json.dumps(result.structured_content, ensure_ascii=False))

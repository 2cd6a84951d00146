"""Reads the environment and ``hephaestus_config.yaml`` once, before Django's settings are built."""

from __future__ import annotations

import contextlib
import difflib
import os
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import yaml
from django.core.exceptions import ImproperlyConfigured
from pydantic import BaseModel, ConfigDict, Field, ValidationError

BASE_DIR = Path(__file__).resolve().parent.parent


_PROVIDERS: dict[str, Literal["local", "openai", "voyage", "none"]] = {
    "local": "local",
    "openai": "openai",
    "voyage": "voyage",
    "anthropic": "voyage",
    # Keyword search alone.
    "none": "none",
}


class ConfigurationError(ImproperlyConfigured):
    """The configuration cannot be used; the message names the key and the allowed ones."""


class EmbeddingConfig(BaseModel):
    """The design's ``embedding:`` block. ``provider: anthropic`` means Voyage."""

    model_config = ConfigDict(extra="forbid")
    provider: str | None = None
    model: str | None = None
    dimensions: int | None = Field(default=None, gt=0)


class TicketTrackingConfig(BaseModel):
    """The design's ``ticket_tracking:`` block."""

    model_config = ConfigDict(extra="forbid")
    enabled: bool = True
    embedding: EmbeddingConfig = EmbeddingConfig()


class FileConfig(BaseModel):
    """The whole of ``hephaestus_config.yaml``."""

    model_config = ConfigDict(extra="forbid")
    ticket_tracking: TicketTrackingConfig = TicketTrackingConfig()


def data_dir() -> Path:
    """Folder that holds all state of the embedded default; created on first use, for its owner alone."""
    folder = Path(os.environ.get("HEPHAESTUS_DATA_DIR") or BASE_DIR / "var").expanduser().resolve()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def file_config(folder: Path) -> FileConfig:
    """Parse the configuration file.

    Raises ConfigurationError for a file that was named but is missing, for YAML that does not
    parse and for a key that is unknown.
    """
    named = os.environ.get("HEPHAESTUS_CONFIG")
    path = Path(named).expanduser() if named else folder / "hephaestus_config.yaml"
    if not path.exists():
        if named:
            raise ConfigurationError(f"HEPHAESTUS_CONFIG names {path}, which does not exist.")
        return FileConfig()
    try:
        content: Any = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
        return FileConfig.model_validate(content)
    except yaml.YAMLError as error:
        raise ConfigurationError(f"{path.name} is not valid YAML: {error}") from error
    except ValidationError as error:
        raise ConfigurationError(f"{path.name}: {_explain(error)}") from error


@dataclass(frozen=True, slots=True)
class Embedding:
    """What makes vectors of text. ``model`` and ``dimensions`` None: the provider's own default."""

    provider: Literal["local", "openai", "voyage", "none"]
    model: str | None
    dimensions: int | None
    api_key: str = field(repr=False)
    base_url: str | None


@dataclass(frozen=True, slots=True)
class Search:
    """How a hybrid search weighs its halves; ``rrf_k`` is the constant of reciprocal rank fusion."""

    semantic_weight: float
    keyword_weight: float
    rrf_k: int
    fusion: Literal["rrf", "relative"]


def embedding(file: FileConfig, provider_name: str | None = None) -> Embedding:
    """The embedding provider: as named, else the environment's, else the file's, else the local model.

    Raises ConfigurationError for one that is unknown or lacks its key.
    """
    block = file.ticket_tracking.embedding
    name = provider_name or os.environ.get("EMBEDDING_PROVIDER") or block.provider or "local"
    provider = _PROVIDERS.get(name.lower())
    if provider is None:
        raise ConfigurationError(f"EMBEDDING_PROVIDER is {name!r}; it must be one of: {', '.join(_PROVIDERS)}.")
    prefix = provider.upper()
    key, url = os.environ.get(f"{prefix}_API_KEY", ""), os.environ.get(f"{prefix}_BASE_URL") or None
    if provider in ("openai", "voyage") and not key and url is None:
        raise ConfigurationError(f"EMBEDDING_PROVIDER={name} needs {prefix}_API_KEY (or {prefix}_BASE_URL).")
    # The file's model belongs to the file's provider.
    same = block.provider is None or _PROVIDERS.get(block.provider.lower()) == provider
    model = os.environ.get("EMBEDDING_MODEL") or (block.model if same else None)
    dimensions = _positive("EMBEDDING_DIMENSIONS", None) or (block.dimensions if same else None)
    return Embedding(provider, model, dimensions, key, url)


def search() -> Search:
    """The weights of hybrid search, from the environment. Raises ConfigurationError."""
    fusion = os.environ.get("HEPHAESTUS_SEARCH_FUSION") or "rrf"
    if fusion not in ("rrf", "relative"):
        raise ConfigurationError(f"HEPHAESTUS_SEARCH_FUSION is {fusion!r}; it must be one of: rrf, relative.")
    # Ranks and scores are best weighed differently (measured by search_eval).
    semantic, keyword = (0.7, 0.3) if fusion == "rrf" else (0.6, 0.4)
    return Search(
        semantic_weight=_weight("HEPHAESTUS_SEARCH_SEMANTIC_WEIGHT", semantic),
        keyword_weight=_weight("HEPHAESTUS_SEARCH_KEYWORD_WEIGHT", keyword),
        rrf_k=_positive("HEPHAESTUS_SEARCH_RRF_K", 60) or 60,
        fusion="rrf" if fusion == "rrf" else "relative",
    )


def _weight(name: str, default: float) -> float:
    text = os.environ.get(name) or str(default)
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1000:
        raise ConfigurationError(f"{name} is {text!r}; it must be a number from 0 on, such as {default}.")
    return value


def _positive(name: str, default: int | None) -> int | None:
    text = os.environ.get(name)
    if not text:
        return default
    if not text.isdecimal() or int(text) == 0:
        raise ConfigurationError(f"{name} is {text!r}; it must be a whole number from 1 on.")
    return int(text)


def secret_key(folder: Path) -> str:
    """Django's secret key: from the environment, else made once and kept in the data folder."""
    given = os.environ.get("HEPHAESTUS_SECRET_KEY")
    if given:
        return given
    path = folder / "secret_key"
    if not path.exists():
        draft = folder / f"secret_key.{os.getpid()}"
        handle = os.open(draft, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600)
        with os.fdopen(handle, "w", encoding="ascii") as stream:
            stream.write(secrets.token_urlsafe(50))
        try:
            # Of two processes that start at once one wins, and nobody ever sees half a key.
            with contextlib.suppress(FileExistsError):
                os.link(draft, path)
        finally:
            draft.unlink()
    return path.read_text(encoding="ascii")


def _explain(error: ValidationError) -> str:
    messages = []
    for fault in error.errors():
        where = ".".join(str(part) for part in fault["loc"])
        if fault["type"] == "extra_forbidden":
            known = _known_keys(fault["loc"])
            near = difflib.get_close_matches(str(fault["loc"][-1]), known, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else f" Known here: {', '.join(known)}."
            messages.append(f"unknown key {where!r}.{hint}")
        else:
            messages.append(f"{where}: {fault['msg']}")
    return " ".join(messages)


def _known_keys(location: tuple[int | str, ...]) -> list[str]:
    model: type[BaseModel] = FileConfig
    for part in location[:-1]:
        annotation = model.model_fields[str(part)].annotation
        if not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
            return []
        model = annotation
    return sorted(model.model_fields)

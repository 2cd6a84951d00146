"""Reads a folder of phases: ``01_planning.yaml``, ``02_implementation.yaml`` and so on."""

from __future__ import annotations

import itertools
import re
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from hephaestus_site.sdk.errors import PhaseError

FILE_NAME = re.compile(r"^(\d+)_(.+)\.ya?ml$", re.IGNORECASE)
SUFFIXES = (".yaml", ".yml")
# Hephaestus keeps it beside the phases; it is about how a workflow ends, and none of them.
NO_PHASE = "phases_config.yaml"
KNOWN_KEYS = ("name", "description", "done_definitions", "additional_notes")


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


class Phase(BaseModel):
    """A phase of a workflow. What a file holds beyond this is kept as it is."""

    model_config = ConfigDict(extra="allow")

    number: int = Field(description="From the file's name.")
    name: str = Field(min_length=1)
    description: str = Field(min_length=1)
    done_definitions: Annotated[list[str], BeforeValidator(_as_list)] = Field(default_factory=list)
    additional_notes: str = ""


def read_phases(folder: str | Path) -> list[Phase]:
    """The folder's phases in the order of their numbers. Raises PhaseError with the file and the key.

    A key may be written in any case (Hephaestus has ``Done_Definitions``). A phase without a ``name`` is called
    what its file is called.
    """
    path = Path(folder).expanduser()
    if not path.is_dir():
        raise PhaseError(f"phases_folder {str(folder)!r} is no folder.", field="phases_folder")
    files = sorted(
        file for file in path.iterdir() if file.suffix.lower() in (".yaml", ".yml") and file.name != NO_PHASE
    )
    phases = sorted((_read(file) for file in files), key=lambda phase: phase.number)
    if not phases:
        raise PhaseError(f"{path} holds no phase, such as 01_planning.yaml.", field="phases_folder")
    for one, other in itertools.pairwise(phases):
        if one.number == other.number:
            raise PhaseError(f"{path} holds two phases of the number {one.number}.", field="phases_folder")
    return phases


def _read(file: Path) -> Phase:
    found = FILE_NAME.match(file.name)
    if found is None:
        raise PhaseError(f"{file.name} is not named like a phase: NN_name.yaml.", field=file.name)
    content = _content(file)
    named = {"name": found[2], **{_known(key): value for key, value in content.items() if value is not None}}
    if "number" in named:
        raise PhaseError(f"{file.name}: number comes from the file's name.", field=f"{file.name}: number")
    try:
        return Phase.model_validate({**named, "number": int(found[1])})
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False)[0]
        key = ".".join(map(str, fault["loc"]))
        raise PhaseError(f"{file.name}: {key}: {fault['msg']}.", field=f"{file.name}: {key}") from None


def _content(file: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8-sig"))
    except yaml.YAMLError as error:
        raise PhaseError(f"{file.name} is not valid YAML: {error}", field=file.name) from error
    except (OSError, UnicodeDecodeError) as error:
        raise PhaseError(f"{file.name} cannot be read: {error}", field=file.name) from error
    if not isinstance(content, dict):
        raise PhaseError(f"{file.name} holds no keys such as {', '.join(KNOWN_KEYS)}.", field=file.name)
    for key in content:
        if not isinstance(key, str):
            raise PhaseError(f"{file.name}: the key {key!r} is no text.", field=f"{file.name}: {key!r}")
    return content


def _known(key: str) -> str:
    return key.lower() if key.lower() in KNOWN_KEYS else key

"""Logs on disk, so that a process that starts need not read the whole history again.

A file says nothing that the database does not; it may be lost, old or broken, and costs time then, nothing else.
"""

from __future__ import annotations

import hashlib
import os
import zipfile
from array import array
from contextlib import suppress
from pathlib import Path

import numpy as np
import structlog
from django.conf import settings

from boards.metrics.log import NAMES, TABLES, Log, Names

logger = structlog.get_logger(__name__)

# Raised with each change of what a log holds or how it folds.
FORMAT = "1"


def place_of(workflow_id: str) -> Path:
    """An id may hold anything, a file's name may not."""
    return Path(settings.DATA_DIR) / "metrics" / f"{hashlib.sha256(workflow_id.encode()).hexdigest()[:40]}.npz"


def save(workflow_id: str, log: Log) -> None:
    """Write the log, whole or not at all. A disk that takes nothing is no reason to refuse an answer."""
    place = place_of(workflow_id)
    columns = {
        f"{table}.{name}": np.array(values) for table, held in log.tables.items() for name, values in held.items()
    }
    names = {name: np.array(list(held.numbers), dtype=np.str_) for name, held in log.names.items()}
    last = np.array([FORMAT, *map(str, log.last)], dtype=np.str_)
    part = place.with_suffix(f".{os.getpid()}.part")
    try:
        place.parent.mkdir(mode=0o700, exist_ok=True)
        with part.open("wb") as file:
            np.savez(file, allow_pickle=False, last=last, **columns, **names)
        part.replace(place)
    except OSError as error:
        logger.warning("a log of figures was not kept", workflow_id=workflow_id, error=str(error))
        with suppress(OSError):
            part.unlink(missing_ok=True)


def load(workflow_id: str) -> Log | None:
    """The log that was saved last; None where there is none that can be read."""
    try:
        with np.load(place_of(workflow_id), allow_pickle=False) as file:
            form, last, ticket_id, at = file["last"].tolist()
            if form != FORMAT:
                return None
            log = Log()
            log.last = (int(last), ticket_id, int(at))
            for table, columns in TABLES.items():
                for name, code in columns.items():
                    log.tables[table][name] = array(code, file[f"{table}.{name}"].tobytes())
            for name in NAMES:
                log.names[name] = Names(file[name].tolist())
            return log
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        logger.warning("a kept log of figures cannot be read", workflow_id=workflow_id, error=str(error))
        return None

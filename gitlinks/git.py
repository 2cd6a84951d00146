"""Runs git on a local repository without letting the repository run a program.

A repository's own configuration can name programs (file system monitor, external diff, pager, signature
check, transports of a partial clone). Each is switched off for every call; a call has a time limit, an
output cap and an environment of its own. No argument ever passes a shell.

Not GitPython: it starts git with the repository's own configuration and the server's environment, without a time
limit, and leaves processes behind that read objects for it; its pure reading (gitdb) knows no SHA-256, no
alternates' limits and no renames. One way into git is easier to keep safe than two.
"""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

TIMEOUT = 20.0  # seconds
MAX_OUTPUT = 64 * 1024 * 1024
MAX_COMPLAINT = 2000

_OVERRIDES = (
    "core.fsmonitor=false", "core.hooksPath=/dev/null", "core.pager=cat", "core.attributesFile=/dev/null",
    "core.editor=false", "core.sshCommand=false", "core.askPass=false", "credential.helper=", "diff.external=",
    "log.showSignature=false", "gpg.program=false", "commit.gpgSign=false", "protocol.allow=never", "gc.auto=0",
    "maintenance.auto=false", "submodule.recurse=false",
)  # fmt: skip


class RepositoryUnreadable(Exception):
    """The folder holds no repository that git can read here; the message says why."""


class GitFailed(RepositoryUnreadable):
    """git ended with another exit code than 0.

    ``output`` is what it said until then, ``complaint`` its standard error: for logs alone, it may hold paths.
    """

    def __init__(self, code: int, output: bytes, complaint: str) -> None:
        super().__init__("git cannot read this repository.")
        self.code = code
        self.output = output
        self.complaint = complaint


class TooMuchOutput(RepositoryUnreadable):
    """git said more than the cap and was ended."""


class TookTooLong(RepositoryUnreadable):
    """git did not end in time and was ended."""


def run(
    folder: Path,
    *arguments: str,
    given: bytes = b"",
    timeout: float = TIMEOUT,
    max_output: int = MAX_OUTPUT,
    settings: Mapping[str, str] | None = None,
    environment: Mapping[str, str] | None = None,
) -> bytes:
    """What git says on standard output; ``given`` is its standard input.

    ``settings`` are configuration for this call, ``environment`` variables beside the clean ones. Whoever
    passes on what a client named puts ``--end-of-options`` before it. Raises RepositoryUnreadable and its kinds.
    """
    output = b""
    try:
        with stream(
            folder, *arguments, given=given, timeout=timeout, settings=settings, environment=environment
        ) as said:
            output = said.read(max_output + 1)
            if len(output) > max_output:
                raise TooMuchOutput(f"git said more than {max_output} bytes.")
    except GitFailed as error:
        raise GitFailed(error.code, output, error.complaint) from None
    return output


@contextmanager
def stream(
    folder: Path,
    *arguments: str,
    given: bytes = b"",
    timeout: float = TIMEOUT,
    settings: Mapping[str, str] | None = None,
    environment: Mapping[str, str] | None = None,
) -> Iterator[IO[bytes]]:
    """git's standard output as it comes. A block that ends before it has read all of it ends git.

    Raises like ``run``: GitFailed at the end of a block that has read everything, without the output.
    """
    with tempfile.TemporaryFile() as complaints:
        with _started(
            _command(folder, arguments, settings or {}),
            given,
            timeout,
            {**_environment(folder), **(environment or {})},
            complaints,
        ) as process:
            assert process.stdout is not None
            yield process.stdout
            code = 0 if process.stdout.read(1) else process.wait()
        if code:
            complaints.seek(0)
            raise GitFailed(code, b"", complaints.read(MAX_COMPLAINT).decode("utf-8", "replace"))


@contextmanager
def _started(
    command: list[str], given: bytes, timeout: float, environment: Mapping[str, str], complaints: IO[bytes]
) -> Iterator[subprocess.Popen[bytes]]:
    """The process, which is ended with the block or with its time. Raises TookTooLong, RepositoryUnreadable."""
    late = threading.Event()
    try:
        with tempfile.TemporaryFile() as source:
            source.write(given)
            source.seek(0)
            process = subprocess.Popen(
                command,
                stdin=source,
                stdout=subprocess.PIPE,
                stderr=complaints,
                env=environment,
                # A group of its own: what git starts itself ends with it.
                start_new_session=True,
            )
    except (OSError, ValueError) as error:
        # ValueError: an argument holds NUL.
        raise RepositoryUnreadable(f"git cannot be run: {error}.") from error

    def end() -> None:
        late.set()
        _kill(process)

    timer = threading.Timer(timeout, end)
    timer.start()
    try:
        with process:
            try:
                yield process
            finally:
                _kill(process)
    finally:
        timer.cancel()
        if late.is_set():
            raise TookTooLong(f"git took longer than {timeout:g} seconds.")


def _kill(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def _command(folder: Path, arguments: tuple[str, ...], settings: Mapping[str, str]) -> list[str]:
    options = [*_OVERRIDES, *(f"{name}={value}" for name, value in settings.items())]
    # A checkout may belong to another user than the server's (a mounted folder, say). Git then refuses
    # for fear of what its configuration runs, and none of that is run here.
    options.append(f"safe.directory={folder}")
    switches = [part for option in options for part in ("-c", option)]
    return ["git", "--no-pager", *switches, "-C", str(folder), *arguments]


def _environment(folder: Path) -> dict[str, str]:
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "LC_ALL": "C.UTF-8",
        "HOME": "/nonexistent",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CEILING_DIRECTORIES": str(folder.parent),
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_ALLOW_PROTOCOL": "",
    }

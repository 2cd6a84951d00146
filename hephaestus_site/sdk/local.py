"""A server of one's own: a child process on a data folder of this checkout."""

from __future__ import annotations

import logging
import os
import re
import subprocess
import sys
import threading
from collections import deque
from pathlib import Path

from hephaestus_site.sdk.errors import LocalServerError

MANAGE = Path(__file__).resolve().parents[2] / "manage.py"
OPERATOR = "sdk"
START_TIMEOUT = 120.0  # seconds; a first start migrates
STOP_TIMEOUT = 20.0
SHOWN_LINES = 20

log = logging.getLogger(__name__)


class LocalServer:
    """``manage.py run`` in a child process, on a free port unless HEPHAESTUS_PORT says which.

    It ends with ``stop``, and with this process however that ends: it watches a pipe that then closes.
    """

    def __init__(self, data_dir: str | Path | None = None) -> None:
        """``data_dir`` defaults to HEPHAESTUS_DATA_DIR, else the checkout's ``var``. Raises LocalServerError."""
        self._env = {"HEPHAESTUS_PORT": "0", **os.environ, "DJANGO_SETTINGS_MODULE": "hephaestus_site.settings"}
        if data_dir is not None:
            self._env["HEPHAESTUS_DATA_DIR"] = str(Path(data_dir).expanduser().resolve())
        self._printed: deque[str] = deque(maxlen=SHOWN_LINES)
        self._settled = threading.Event()
        self.base_url = ""
        self._process = subprocess.Popen(
            [sys.executable, str(MANAGE), "run", "--no-demo", "--until-stdin-ends"],
            env=self._env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        threading.Thread(target=self._read_output, daemon=True).start()
        try:
            self._wait_until_up()
        except BaseException:
            self.stop()
            raise

    @property
    def pid(self) -> int:
        return self._process.pid

    def operator_token(self) -> str:
        """A new token of the agent ``sdk``, who may create workflows and agents. Raises LocalServerError."""
        done = subprocess.run(
            [sys.executable, str(MANAGE), "create_agent", OPERATOR, "--operator"],
            env=self._env,
            capture_output=True,
            text=True,
            timeout=START_TIMEOUT,
            check=False,
        )
        if done.returncode:
            raise LocalServerError(f"No credential for the local server: {done.stderr.strip()}")
        return done.stdout.split()[-1]

    def stop(self) -> None:
        """End the server and wait for it. Again does nothing."""
        self._process.terminate()
        try:
            self._process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdin is not None:
            self._process.stdin.close()

    def _wait_until_up(self) -> None:
        if not self._settled.wait(START_TIMEOUT):
            raise LocalServerError(f"The local server did not start within {START_TIMEOUT:.0f} s.{self._last_lines()}")
        if not self.base_url:
            raise LocalServerError(
                "The local server did not start. To use one that runs, give base_url or set HEPHAESTUS_URL."
                + self._last_lines()
            )

    def _read_output(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                self._printed.append(line)
                log.info("%s", line.rstrip())
                if not self.base_url and (found := re.search(r"Serving on (http\S+)", line)):
                    self.base_url = found[1]
                    self._settled.set()
        self._settled.set()

    def _last_lines(self) -> str:
        return " It printed:\n" + "".join(self._printed) if self._printed else ""

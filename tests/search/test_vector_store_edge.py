"""The embedded store's folder, its life and its end; and what stands in for it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings

from search.errors import StoreDown
from search.filters import Filters
from search.stores import local_store
from search.stores.edge import EdgeStore
from search.stores.exact import ExactStore
from search.stores.folders import sweep_stale
from tests.search.vectors import ALL_HALVES, DIMENSIONS, FAR, SAME, brute_force, ids, point

pytestmark = pytest.mark.sqlite_only  # nothing here depends on the database

WF = Filters(workflow_id="wf-1")
# A process that opens a store, says so and does as it is told.
OTHER = """
import os, signal, sys
from pathlib import Path
import django
django.setup()
from search.stores.edge import EdgeStore
store = EdgeStore(8, Path(sys.argv[1]))
store.count()
print("open", flush=True)
for line in sys.stdin:
    match line.strip():
        case "die":
            os.kill(os.getpid(), signal.SIGKILL)
        case "fork":
            child = os.fork()
            if child == 0:
                sys.exit()
            os.waitpid(child, 0)
            print("child ended", flush=True)
        case "orphan":
            child = os.fork()
            if child == 0:
                print(os.getpid(), flush=True)
                signal.pause()
            os.kill(os.getpid(), signal.SIGKILL)
        case "end":
            break
"""


@pytest.fixture
def store(tmp_path: Path) -> Iterator[EdgeStore]:
    made = EdgeStore(DIMENSIONS, tmp_path)
    yield made
    made.close()


def folders(parent: Path) -> set[Path]:
    return {path for path in parent.iterdir() if path.is_dir()}


class Other:
    """Another process with an open store in ``vectors``."""

    def __init__(self, parent: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", OTHER, str(parent / "vectors")],
            cwd=settings.BASE_DIR,
            env={
                **os.environ,
                "DJANGO_SETTINGS_MODULE": "hephaestus_site.settings",
                "HEPHAESTUS_DATA_DIR": str(parent / "data"),
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout
        assert self._process.stdout.readline() == "open\n"

    def fork(self) -> None:
        """Have it fork, and its child end as processes do."""
        assert self._ask("fork") == "child ended"

    def die_and_leave_a_child(self) -> int:
        """Have it fork and killed; the child's process id."""
        child = int(self._ask("orphan"))
        self._process.wait()
        return child

    def finish(self, how: str = "end") -> int:
        """Its exit code."""
        self._process.communicate(f"{how}\n")
        return self._process.returncode

    def _ask(self, what: str) -> str:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(f"{what}\n")
        self._process.stdin.flush()
        return self._process.stdout.readline().strip()


def test_nothing_is_made_before_it_is_needed(tmp_path: Path) -> None:
    EdgeStore(DIMENSIONS, tmp_path / "vectors").close()
    assert not (tmp_path / "vectors").exists()


def test_each_store_has_a_folder_that_is_gone_when_it_closes(tmp_path: Path) -> None:
    one, other = EdgeStore(DIMENSIONS, tmp_path), EdgeStore(DIMENSIONS, tmp_path)
    one.upsert([point("ticket-1")])
    other.upsert([point("ticket-2")])
    assert len(folders(tmp_path)) == 2
    one.close()
    assert ids(other.query(SAME, WF, 10)) == ["ticket-2"]
    other.close()
    other.close()
    assert folders(tmp_path) == set()


def test_only_the_owner_may_look_into_the_folder(store: EdgeStore, tmp_path: Path) -> None:
    store.upsert([point()])
    [folder] = folders(tmp_path)
    assert folder.stat().st_mode & 0o077 == 0


def test_a_closed_store_is_down_and_stays_closed(store: EdgeStore, tmp_path: Path) -> None:
    store.upsert([point()])
    store.close()
    for ask in (lambda: store.query(SAME, WF, 10), store.count, lambda: store.upsert([point()])):
        with pytest.raises(StoreDown, match="closed"):
            ask()
    assert folders(tmp_path) == set()


def test_the_folder_of_a_process_that_ends_is_gone(tmp_path: Path) -> None:
    process = Other(tmp_path)
    assert len(folders(tmp_path / "vectors")) == 1
    assert process.finish() == 0
    assert folders(tmp_path / "vectors") == set()


def test_folders_of_killed_processes_are_swept_and_those_of_living_ones_stay(tmp_path: Path) -> None:
    parent = tmp_path / "vectors"
    living = Other(tmp_path)
    kept = folders(parent)
    dead = Other(tmp_path)
    assert dead.finish("die") == -signal.SIGKILL
    assert len(folders(parent)) == 2
    assert sweep_stale(parent) == 1
    assert sweep_stale(parent) == 0
    assert folders(parent) == kept
    living.finish()


def test_a_new_store_sweeps_what_killed_processes_left(tmp_path: Path) -> None:
    parent = tmp_path / "vectors"
    Other(tmp_path).finish("die")
    left = folders(parent)
    store = EdgeStore(DIMENSIONS, parent)
    store.upsert([point()])
    assert len(folders(parent)) == 1
    assert not folders(parent) & left
    store.close()


def test_there_is_nothing_to_sweep_where_no_store_ever_was(tmp_path: Path) -> None:
    assert sweep_stale(tmp_path / "vectors") == 0
    assert not (tmp_path / "vectors").exists()


def test_a_child_process_has_a_store_of_its_own(store: EdgeStore, tmp_path: Path) -> None:
    store.upsert([point("ticket-1")])
    child = os.fork()
    if child == 0:
        # No test goes on in here, whatever happens.
        status = 1
        try:
            empty = store.query(SAME, WF, 10) == []
            store.upsert([point("ticket-2", FAR)])
            own = ids(store.query(SAME, WF, 10)) == ["ticket-2"] and len(folders(tmp_path)) == 2
            store.close()
            status = 0 if empty and own and len(folders(tmp_path)) == 1 else 2
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert ids(store.query(SAME, WF, 10)) == ["ticket-1"]
    store.upsert([point("ticket-3", FAR)])
    assert ids(store.query(SAME, WF, 10)) == ["ticket-1", "ticket-3"]


def test_the_end_of_a_child_process_leaves_the_folder_to_its_parent(tmp_path: Path) -> None:
    parent = Other(tmp_path)
    held = folders(tmp_path / "vectors")
    parent.fork()
    assert folders(tmp_path / "vectors") == held
    assert parent.finish() == 0
    assert folders(tmp_path / "vectors") == set()


def test_a_child_that_outlives_its_parent_does_not_keep_the_folder(tmp_path: Path) -> None:
    orphan = Other(tmp_path).die_and_leave_a_child()
    try:
        assert sweep_stale(tmp_path / "vectors") == 1
    finally:
        os.kill(orphan, signal.SIGKILL)


def test_many_updates_of_the_same_tickets_stay_right(store: EdgeStore) -> None:
    points = [point(f"ticket-{number}", vector) for number, vector in enumerate(ALL_HALVES)]
    for shift in (0, 1, 2, 3):
        moved = [point(one.ticket_id, ALL_HALVES[number - shift]) for number, one in enumerate(points)]
        store.upsert(moved)
        assert store.count() == len(points)
        assert store.query(SAME, WF, 50) == brute_force(moved, SAME, WF, 50)


def test_a_folder_that_cannot_be_made_is_a_store_that_is_down(tmp_path: Path) -> None:
    (tmp_path / "vectors").write_text("a file")
    with pytest.raises(StoreDown, match="cannot make its folder"):
        EdgeStore(DIMENSIONS, tmp_path / "vectors").query(SAME, WF, 10)


def test_a_failure_of_the_library_is_a_store_that_is_down(store: EdgeStore, tmp_path: Path) -> None:
    store.upsert([point()])
    assert store._shard is not None
    store._shard.close()
    with pytest.raises(StoreDown, match="failed") as down:
        store.query(SAME, WF, 10)
    assert str(tmp_path) not in str(down.value)


def test_the_local_store_is_the_embedded_qdrant() -> None:
    assert isinstance(local_store(DIMENSIONS), EdgeStore)


def test_without_the_wheel_the_local_store_is_numpy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "search.stores.edge")
    monkeypatch.setitem(sys.modules, "qdrant_edge", None)
    assert isinstance(local_store(DIMENSIONS), ExactStore)


def test_a_closed_store_in_memory_is_down_too() -> None:
    store = ExactStore(DIMENSIONS)
    store.upsert([point()])
    store.close()
    with pytest.raises(StoreDown, match="closed"):
        store.query(SAME, WF, 10)

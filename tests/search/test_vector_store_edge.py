"""The embedded store's folder, its life and its end; and what stands in for it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest
from django.conf import settings

from search.errors import StoreDown
from search.filters import Filters
from search.stores import local_store
from search.stores.edge import EdgeStore
from search.stores.exact import ExactStore
from search.stores.folders import sweep_stale
from tests.search.vectors import ALL_HALVES, DIMENSIONS, FAR, SAME, brute_force, ids, point

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
if sys.stdin.readline().strip() == "die":
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def store(tmp_path: Path) -> Iterator[EdgeStore]:
    made = EdgeStore(DIMENSIONS, tmp_path)
    yield made
    made.close()


def folders(parent: Path) -> set[Path]:
    return {path for path in parent.iterdir() if path.is_dir()}


def start_other(parent: Path) -> tuple[subprocess.Popen[str], IO[str]]:
    env = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "hephaestus_site.settings",
        "HEPHAESTUS_DATA_DIR": str(parent / "data"),
    }
    process = subprocess.Popen(
        [sys.executable, "-c", OTHER, str(parent / "vectors")],
        cwd=settings.BASE_DIR,
        env=env,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin
    assert process.stdout
    assert process.stdout.readline() == "open\n"
    return process, process.stdin


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
    process, to = start_other(tmp_path)
    assert len(folders(tmp_path / "vectors")) == 1
    to.write("end\n")
    to.flush()
    process.communicate()
    assert process.returncode == 0
    assert folders(tmp_path / "vectors") == set()


def test_folders_of_killed_processes_are_swept_and_those_of_living_ones_stay(tmp_path: Path) -> None:
    parent = tmp_path / "vectors"
    living, to_living = start_other(tmp_path)
    kept = folders(parent)
    dead, to_dead = start_other(tmp_path)
    to_dead.write("die\n")
    to_dead.flush()
    dead.communicate()
    assert dead.returncode == -signal.SIGKILL
    assert len(folders(parent)) == 2
    assert sweep_stale(parent) == 1
    assert sweep_stale(parent) == 0
    assert folders(parent) == kept
    to_living.write("end\n")
    living.communicate()


def test_a_new_store_sweeps_what_killed_processes_left(tmp_path: Path) -> None:
    parent = tmp_path / "vectors"
    dead, to_dead = start_other(tmp_path)
    to_dead.write("die\n")
    to_dead.flush()
    dead.communicate()
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


def test_a_folder_outlives_a_child_but_not_its_own_process(tmp_path: Path) -> None:
    store = EdgeStore(DIMENSIONS, tmp_path)
    store.count()
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    assert sweep_stale(tmp_path) == 0
    store.close()
    assert folders(tmp_path) == set()


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

"""``python -m tests.gitlinks.dying STEP TASK AGENT``: reports a task done and is killed at a step of it.

The steps are calls of git, counted from the transaction's first change to the repository, and the commit.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

STEPS = (
    "before the intent",
    "after the intent",
    "after the checkout came along",
    "after the branch moved",
    "after the commit",
)


def main(step: str, task_id: str, agent_id: str) -> None:
    import django

    django.setup()
    from gitlinks.worktrees import merging, plumbing
    from tickets.access import Actor
    from tickets.operations import TASK_UPDATE_STATUS, execute

    def die(at: str) -> None:
        if at == step:
            os.kill(os.getpid(), signal.SIGKILL)

    move, check_out, forget = plumbing.move_refs, plumbing.check_out, merging._forget

    def dying_move(place: Any, reason: str, *transactions: Any) -> None:
        if reason == "intent":
            die("before the intent")
        move(place, reason, *transactions)
        die("after the intent" if reason == "intent" else "after the branch moved")

    def dying_check_out(place: Any, path: Any, index: Any, *trees: str) -> None:
        check_out(place, path, index, *trees)
        die("after the checkout came along")

    def dying_forget(place: Any, intent: str, sha: str) -> None:
        die("after the commit")
        forget(place, intent, sha)

    plumbing.move_refs, plumbing.check_out, merging._forget = dying_move, dying_check_out, dying_forget
    execute(TASK_UPDATE_STATUS, Actor(agent_id=agent_id, kind="ai"), {"task_id": task_id, "status": "done"})


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Workflows and who belongs to them."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

from django.conf import settings

from tickets import clock
from tickets.access import Actor, workflow_for
from tickets.errors import Conflict, Forbidden, Invalid, NotFound
from tickets.ids import new_id, prefix_candidates
from tickets.models import Agent, Membership, Role, Workflow, WorkflowHistory
from tickets.schemas.workflows import (
    CreateWorkflow,
    MembershipAnswer,
    SetMembership,
    UpdateWorkflow,
    WorkflowAnswer,
)
from tickets.selectors.directory import workflow_detail
from tickets.unit import encode_value, open_unit, write_transaction

FIRST_PREFIX = "TKT"


def workflow_create(*, actor: Actor, request: CreateWorkflow) -> Workflow:
    """Create a workflow without its board (``workflow_create_with_board`` adds it in the same transaction).

    The creator becomes its maintainer. Raises Forbidden for anybody but an operator or a superuser,
    Conflict for an id or a prefix that is taken.
    """
    require_operator(actor)
    repositories = [checked_repository(path) for path in request.repositories]
    tracking = request.ticket_tracking_enabled
    with write_transaction():
        workflow_id = request.workflow_id or new_id("workflow")
        if Workflow.objects.filter(pk=workflow_id).exists():
            raise Conflict(f"A workflow {workflow_id!r} exists already.", field="workflow_id")
        prefix = request.key_prefix or _free_prefix(workflow_id, request.name)
        if Workflow.objects.filter(key_prefix=prefix).exists():
            raise Conflict(f"The key prefix {prefix} is taken.", field="key_prefix")
        now = clock.now()
        workflow = Workflow.objects.create(
            id=workflow_id,
            name=request.name,
            key_prefix=prefix,
            ticket_tracking_enabled=settings.TRACKING_BY_DEFAULT if tracking is None else tracking,
            repositories=repositories,
            phases=request.phases,
            created_at=now,
            updated_at=now,
        )
        set_role(actor, workflow, actor.agent_id, Role.MAINTAINER)
    return workflow


def workflow_update(*, actor: Actor, request: UpdateWorkflow) -> WorkflowAnswer:
    """Change a workflow's settings. Needs a maintainer."""
    updates = request.updates.model_dump(exclude_none=True)
    if "repositories" in updates:
        updates["repositories"] = [checked_repository(path) for path in updates["repositories"]]
    with open_unit(actor, request.workflow_id, role=Role.MAINTAINER, tracking=False) as unit:
        changed = {name: value for name, value in updates.items() if getattr(unit.workflow, name) != value}
        if changed:
            for name, value in changed.items():
                record_change(
                    actor,
                    "settings_changed",
                    unit.workflow.id,
                    field_name=name,
                    old=getattr(unit.workflow, name),
                    new=value,
                    at=unit.now,
                )
                setattr(unit.workflow, name, value)
            unit.workflow.save(update_fields=list(changed))
            unit.emit("board_updated", fields=sorted(changed))
    message = f"Workflow {unit.workflow.id} updated." if changed else "Nothing to change."
    return WorkflowAnswer(message=message, workflow=workflow_detail(unit.workflow))


def membership_set(*, actor: Actor, request: SetMembership) -> MembershipAnswer:
    """Give an agent a role in a workflow, or take its membership away. Needs a maintainer, or an operator in it.

    Raises Conflict where the workflow would lose its last maintainer.
    """
    with write_transaction():
        # An operator issues the tokens of maintainers anyway, so membership is all that is asked of one.
        needed = Role.VIEWER if actor.is_operator else Role.MAINTAINER
        workflow = workflow_for(actor, request.workflow_id, needed, lock=True)
        if not Agent.objects.filter(pk=request.member_agent_id).exists():
            raise NotFound(f"No agent {request.member_agent_id!r}.", field="member_agent_id")
        set_role(actor, workflow, request.member_agent_id, request.role)
    what = f"is {request.role} of" if request.role else "is no member of"
    return MembershipAnswer(
        message=f"{request.member_agent_id} {what} {workflow.id}.",
        workflow_id=workflow.id,
        member_agent_id=request.member_agent_id,
        role=request.role,
    )


def set_role(actor: Actor, workflow: Workflow, agent_id: str, role: str | None) -> None:
    """Write a membership, or take it away, and record it, in the transaction of a caller who holds the workflow.

    Raises Conflict where the workflow would lose its last maintainer.
    """
    members = Membership.objects.filter(workflow=workflow)
    membership = members.filter(agent_id=agent_id)
    old = membership.values_list("role", flat=True).first()
    if old == role:
        return
    if old == Role.MAINTAINER and not members.filter(role=Role.MAINTAINER).exclude(agent_id=agent_id).exists():
        raise Conflict(f"{workflow.id} would have no maintainer. Make another agent maintainer first.")
    if role is None:
        membership.delete()
    elif old is None:
        Membership.objects.create(workflow=workflow, agent_id=agent_id, role=role, created_at=clock.now())
    else:
        membership.update(role=role)
    record_change(
        actor,
        "member_added" if old is None else "member_removed" if role is None else "member_changed",
        workflow.id,
        field_name="role",
        old=old,
        new=role,
        subject_agent_id=agent_id,
        # Not before what happened in it until now (``Unit.now``).
        at=max(clock.now(), workflow.updated_at),
    )


def record_change(
    actor: Actor,
    change_type: str,
    workflow_id: str | None,
    *,
    field_name: str,
    old: Any = None,
    new: Any = None,
    subject_agent_id: str | None = None,
    at: datetime,
) -> None:
    """Append to the history of a workflow, in the transaction of the change."""
    WorkflowHistory.objects.create(
        workflow_id=workflow_id,
        agent_id=actor.agent_id,
        via_agent_id=actor.via_agent_id,
        subject_agent_id=subject_agent_id,
        change_type=change_type,
        field_name=field_name,
        old_value=encode_value(old),
        new_value=encode_value(new),
        changed_at=at,
    )


def require_operator(actor: Actor) -> None:
    if not (actor.is_operator or actor.is_superuser):
        raise Forbidden("This needs an operator's token (create_agent … --operator) or a superuser.")


def checked_repository(path: str) -> str:
    """An existing folder under the allowed root, resolved. Raises Invalid; nothing else is told of the disk."""
    try:
        folder = Path(path).expanduser()
        folder = (folder if folder.is_absolute() else settings.REPOSITORY_ROOT / folder).resolve()
        allowed = folder.is_relative_to(settings.REPOSITORY_ROOT) and folder.is_dir()
    except (OSError, RuntimeError):
        # Too long a name, a loop of links, a home folder of nobody.
        allowed, folder = False, settings.REPOSITORY_ROOT
    if not allowed:
        raise Invalid(
            f"{path[:200]!r} is no folder under the allowed root. HEPHAESTUS_REPOSITORY_ROOT sets that root.",
            field="repositories",
        )
    return str(folder)


def _free_prefix(workflow_id: str, name: str) -> str:
    taken = set(Workflow.objects.values_list("key_prefix", flat=True))
    if not taken:
        return FIRST_PREFIX
    return next(prefix for prefix in prefix_candidates(workflow_id, name) if prefix not in taken)

"""Workflows and who belongs to them."""

from __future__ import annotations

from pathlib import Path

from django.conf import settings

from tickets import clock
from tickets.access import Actor, workflow_for
from tickets.errors import Conflict, Forbidden, Invalid, NotFound
from tickets.ids import new_id, prefix_candidates
from tickets.models import Agent, Membership, Role, Workflow
from tickets.schemas.workflows import (
    CreateWorkflow,
    MembershipAnswer,
    SetMembership,
    UpdateWorkflow,
    WorkflowAnswer,
)
from tickets.selectors.directory import workflow_detail
from tickets.unit import open_unit, write_transaction

FIRST_PREFIX = "TKT"


def workflow_create(*, actor: Actor, request: CreateWorkflow) -> Workflow:
    """Create a workflow without its board (``boards.operations`` adds it in the same transaction).

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
        Membership.objects.create(agent_id=actor.agent_id, workflow=workflow, role=Role.MAINTAINER, created_at=now)
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
        current = Membership.objects.filter(workflow=workflow, agent_id=request.member_agent_id).first()
        if current is not None and current.role == Role.MAINTAINER and request.role != "maintainer":
            others = Membership.objects.filter(workflow=workflow, role=Role.MAINTAINER).exclude(pk=current.pk)
            if not others.exists():
                raise Conflict(f"{workflow.id} would have no maintainer. Make another agent maintainer first.")
        if request.role is None:
            if current is not None:
                current.delete()
        else:
            Membership.objects.update_or_create(
                workflow=workflow,
                agent_id=request.member_agent_id,
                defaults={"role": request.role},
                create_defaults={"role": request.role, "created_at": clock.now()},
            )
    what = f"is {request.role} of" if request.role else "is no member of"
    return MembershipAnswer(
        message=f"{request.member_agent_id} {what} {workflow.id}.",
        workflow_id=workflow.id,
        member_agent_id=request.member_agent_id,
        role=request.role,
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

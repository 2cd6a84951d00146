"""Who acts: agents, their memberships and their tokens."""

from __future__ import annotations

import hashlib
import secrets

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

SYSTEM_AGENT_ID = "system"
TOKEN_PREFIX = "hpt_"


class AgentKind(models.TextChoices):
    AI = "ai"
    HUMAN = "human"
    SYSTEM = "system"


class AgentState(models.TextChoices):
    ACTIVE = "active"
    TERMINATED = "terminated"


class Role(models.TextChoices):
    VIEWER = "viewer"
    MEMBER = "member"
    MAINTAINER = "maintainer"

    @property
    def level(self) -> int:
        """Viewer 0, member 1, maintainer 2: a role may do all that a lower one may."""
        return list(Role).index(self)


class Agent(models.Model):
    """Whoever acts: a coding agent, a person (tied to a Django user) or the system itself."""

    id = models.CharField(primary_key=True, max_length=100)
    name = models.CharField(max_length=200)
    kind = models.CharField(max_length=10, choices=AgentKind, default=AgentKind.AI)
    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="agent"
    )
    email = models.EmailField(blank=True, default="")
    state = models.CharField(max_length=12, choices=AgentState, default=AgentState.ACTIVE)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    last_seen_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        db_table = "agents"
        ordering = ("id",)
        constraints = (
            models.CheckConstraint(condition=Q(kind__in=AgentKind.values), name="agents_kind_known"),
            models.CheckConstraint(condition=Q(state__in=AgentState.values), name="agents_state_known"),
            models.CheckConstraint(condition=Q(user=None) | Q(kind="human"), name="agents_user_is_human"),
        )

    def __str__(self) -> str:
        return self.id


class Membership(models.Model):
    """An agent's role in a workflow."""

    agent = models.ForeignKey(Agent, on_delete=models.PROTECT, related_name="memberships")
    workflow = models.ForeignKey("tickets.Workflow", on_delete=models.PROTECT, related_name="memberships")
    role = models.CharField(max_length=12, choices=Role, default=Role.MEMBER)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        db_table = "memberships"
        constraints = (
            models.UniqueConstraint(fields=("agent", "workflow"), name="memberships_agent_workflow_once"),
            models.CheckConstraint(condition=Q(role__in=Role.values), name="memberships_role_known"),
        )

    def __str__(self) -> str:
        return f"{self.agent_id} is {self.role} of {self.workflow_id}"


class AgentToken(models.Model):
    """A bearer token. Only its hash is stored; the token itself is shown once, when it is issued."""

    id = models.CharField(primary_key=True, max_length=60)
    agent = models.ForeignKey(Agent, on_delete=models.PROTECT, related_name="tokens")
    token_hash = models.CharField(max_length=64, unique=True, editable=False)
    hint = models.CharField(max_length=12, editable=False)
    label = models.CharField(max_length=100, blank=True, default="")
    is_gateway = models.BooleanField(default=False)
    is_operator = models.BooleanField(default=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True, editable=False)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        db_table = "agent_tokens"
        ordering = ("-created_at", "id")

    def __str__(self) -> str:
        return f"{self.hint}… of {self.agent_id}"


def new_token() -> str:
    """A fresh token: 256 bits from the system's random source, in a form that secret scanners can know."""
    return TOKEN_PREFIX + secrets.token_urlsafe(32)


def hash_token(token: str) -> str:
    """SHA-256 in hex. The token has full entropy, so a slow hash would only slow each request."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def ensure_system_agent() -> Agent:
    """The agent that acts where no one does: imports, expiry, housekeeping."""
    agent, _ = Agent.objects.get_or_create(id=SYSTEM_AGENT_ID, defaults={"name": "System", "kind": AgentKind.SYSTEM})
    return agent

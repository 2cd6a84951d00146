"""Every operation that an agent has over REST, each described once.

The requests and answers are the core's own (``tickets.schemas`` and its neighbours import no Django).
"""

from __future__ import annotations

from boards import schemas as b
from boards.insights import schemas as g
from boards.metrics import schemas as m
from gitlinks import schemas as h
from gitlinks.worktrees import schemas as r
from hephaestus_site.sdk.calls import BinaryDownload, Call, Download, Group, TransportT
from search import schemas as s
from tickets.schemas import comments as c
from tickets.schemas import details as d
from tickets.schemas import directory as y
from tickets.schemas import inbox as x
from tickets.schemas import lists as i
from tickets.schemas import prompts as p
from tickets.schemas import tasks as k
from tickets.schemas import tickets as t
from tickets.schemas import workflows as w
from tickets.schemas.base import TicketAnswer


class Tickets(Group[TransportT]):
    """Tickets: write, work on, read."""

    create = Call("POST", "tickets/create", t.CreateTicket, t.TicketCreated)
    create_many = Call("POST", "tickets/bulk-create", t.CreateTickets, t.TicketsCreated)
    update = Call("POST", "tickets/update", t.UpdateTicket, t.TicketUpdated)
    update_many = Call("POST", "tickets/bulk-update", t.BulkUpdateTickets, t.TicketsUpdated)
    change_status = Call("POST", "tickets/change-status", t.ChangeTicketStatus, t.TicketStatusChanged)
    move = Call("POST", "tickets/move", t.MoveTicket, TicketAnswer)
    assign = Call("POST", "tickets/assign", t.AssignTicket, TicketAnswer)
    block = Call("POST", "tickets/block", t.BlockTicket, t.TicketBlockingChanged)
    unblock = Call("POST", "tickets/unblock", t.UnblockTicket, t.TicketBlockingChanged)
    resolve = Call("POST", "tickets/resolve", t.ResolveTicket, t.TicketResolved)
    reopen = Call("POST", "tickets/reopen", t.ReopenTicket, t.TicketStatusChanged)
    approve = Call("POST", "tickets/approve", t.DecideTicket, t.TicketDecided)
    reject = Call("POST", "tickets/reject", t.DecideTicket, t.TicketDecided)

    next = Call("POST", "tickets/next", t.NextTicket, t.NextTicketAnswer)
    claim = Call("POST", "tickets/claim", t.ClaimTicket, t.TicketClaimed)
    heartbeat = Call("POST", "tickets/heartbeat", t.HeartbeatTicket, t.TicketClaimed)
    release = Call("POST", "tickets/release", t.ReleaseTicket, t.TicketReleased)

    comment = Call("POST", "tickets/comment", c.AddComment, c.CommentAnswer)
    edit_comment = Call("PATCH", "tickets/comments/{comment_id}", c.EditComment, c.CommentAnswer)
    delete_comment = Call("DELETE", "tickets/comments/{comment_id}", c.DeleteComment, c.CommentAnswer)
    react = Call("POST", "tickets/comments/{comment_id}/reactions", c.ReactToComment, c.ReactionAnswer)

    link_commit = Call("POST", "tickets/link-commit", h.LinkCommit, h.CommitLinked)
    commit_diff = Call("GET", "tickets/commit-diff/{commit_sha}", h.GetCommitDiff, h.CommitDiff)
    commit_patch = BinaryDownload("GET", "tickets/commit-diff/{commit_sha}/patch", h.GetCommitPatch, bytes)

    get = Call("GET", "tickets/{ticket_id}", d.GetTicket, d.TicketFullDetail)
    list = Call("GET", "tickets/get", i.ListTickets, i.TicketList)
    search = Call("POST", "tickets/search", s.SearchTickets, s.TicketsFound)
    similar = Call("POST", "tickets/similar", s.FindSimilar, s.SimilarFound)
    export = Download("GET", "tickets/export", i.ExportFilters, str)
    comments = Call("GET", "tickets/{ticket_id}/comments", d.ListComments, d.CommentPage)
    history = Call("GET", "tickets/{ticket_id}/history", d.ListHistory, d.HistoryPage)
    timeline = Call("GET", "tickets/{ticket_id}/timeline", d.ListTimeline, d.TimelinePage)
    commits = Call("GET", "tickets/{ticket_id}/commits", d.ListCommits, d.CommitPage)
    context = Call("GET", "tickets/{ticket_id}/context", x.GetTicketContext, x.TicketContext)
    agent_prompt = Call("GET", "tickets/{ticket_id}/agent-prompt", p.GetAgentPrompt, p.AgentPrompt)
    related = Call("GET", "tickets/{ticket_id}/related", d.ListRelated, d.RelatedPage)


class Tasks(Group[TransportT]):
    """Hephaestus's tasks."""

    create = Call("POST", "tasks", k.CreateTask, k.TaskAnswer)
    get = Call("GET", "tasks/{task_id}", k.GetTask, k.TaskAnswer)
    list = Call("GET", "tasks", k.ListTasks, k.TaskList)
    update_status = Call("POST", "tasks/{task_id}/status", k.UpdateTaskStatus, k.TaskStatusUpdated)
    review = Call("POST", "tasks/{task_id}/review", k.GiveValidationReview, k.ValidationReviewed)


class Worktrees(Group[TransportT]):
    """Folders in which agents do tasks."""

    create = Call("POST", "worktrees", r.CreateWorktree, r.WorktreeAnswer)
    list = Call("GET", "worktrees", r.ListWorktrees, r.WorktreeList)
    merge = Call("POST", "worktrees/{worktree_id}/merge", r.MergeWorktree, r.WorktreeMerged)
    remove = Call("POST", "worktrees/{worktree_id}/remove", r.RemoveWorktree, r.WorktreeAnswer)
    clean = Call("POST", "worktrees/clean", r.CleanWorktrees, r.WorktreesCleaned)


class Workflows(Group[TransportT]):
    """Workflows, who belongs to them, what happens in them."""

    create = Call("POST", "workflows", w.CreateWorkflow, w.WorkflowAnswer)
    get = Call("GET", "workflows/{workflow_id}", y.GetWorkflow, w.WorkflowAnswer)
    list = Call("GET", "workflows", y.ListWorkflows, y.WorkflowList)
    update = Call("PATCH", "workflows/{workflow_id}", w.UpdateWorkflow, w.WorkflowAnswer)
    members = Call("GET", "workflows/{workflow_id}/members", y.ListMembers, y.MemberList)
    set_member = Call("POST", "workflows/{workflow_id}/members", w.SetMembership, w.MembershipAnswer)
    events = Call("GET", "workflows/{workflow_id}/events", y.ListEvents, y.EventPage)
    approvals = Call("GET", "workflows/{workflow_id}/approvals", y.ListApprovals, y.ApprovalList)
    claims = Call("GET", "workflows/{workflow_id}/claims", y.ListClaims, y.ClaimList)
    repositories = Call("GET", "workflows/{workflow_id}/repositories", h.ListRepositories, h.RepositoryList)
    insights = Call("GET", "workflows/{workflow_id}/insights", g.GetInsights, g.InsightsFound)
    duplicates = Call("GET", "workflows/{workflow_id}/duplicates", s.ListDuplicates, s.DuplicatesFound)
    search_index = Call("GET", "workflows/{workflow_id}/search-index", s.GetSearchIndex, s.SearchIndex)
    statistics = Call("GET", "tickets/stats/{workflow_id}", b.GetStatistics, b.StatisticsAnswer)
    metrics = Call("GET", "workflows/{workflow_id}/metrics", m.GetMetrics, m.MetricsAnswer)


class Boards(Group[TransportT]):
    """Board configurations."""

    get = Call("GET", "workflows/{workflow_id}/board", b.GetBoard, b.BoardAnswer)
    update = Call("PUT", "workflows/{workflow_id}/board", b.UpdateBoard, b.BoardAnswer)
    views = Call("GET", "workflows/{workflow_id}/views", b.ListViews, b.ViewList)
    save_view = Call("POST", "workflows/{workflow_id}/views", b.SaveView, b.ViewAnswer)
    delete_view = Call("DELETE", "views/{view_id}", b.DeleteView, b.ViewDeleted)


class Agents(Group[TransportT]):
    """Agents and their tokens.

    A token is shown once. Where that answer was lost, ``issue_token`` asks again and gets an empty ``token``: revoke
    the one that ``detail`` names and issue another.
    """

    create = Call("POST", "agents", w.CreateAgent, w.AgentAnswer)
    get = Call("GET", "agents/{wanted_agent_id}", y.GetAgent, w.AgentAnswer)
    update = Call("PATCH", "agents/{wanted_agent_id}", w.UpdateAgent, w.AgentAnswer)
    list = Call("GET", "agents", y.ListAgents, y.AgentList)
    tokens = Call("GET", "agents/{for_agent_id}/tokens", y.ListTokens, y.TokenList)
    issue_token = Call("POST", "agents/{for_agent_id}/tokens", w.IssueToken, w.TokenIssued)
    revoke_token = Call("POST", "tokens/{token_id}/revoke", w.RevokeToken, w.TokenRevoked)


class Inbox(Group[TransportT]):
    """What concerns the agent that asks."""

    get = Call("GET", "inbox", x.GetInbox, x.Inbox)
    acknowledge = Call("POST", "inbox/ack", x.AcknowledgeInbox, x.InboxAcknowledged)


class Operations(Group[TransportT]):
    """What both clients offer."""

    me = Call("GET", "me", y.GetMe, y.MeAnswer)

    def __init__(self, transport: TransportT) -> None:
        super().__init__(transport)
        self.tickets = Tickets(transport)
        self.tasks = Tasks(transport)
        self.worktrees = Worktrees(transport)
        self.workflows = Workflows(transport)
        self.boards = Boards(transport)
        self.agents = Agents(transport)
        self.inbox = Inbox(transport)

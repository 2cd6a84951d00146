"""The operations on repositories and commits; see ``tickets.operations``."""

from __future__ import annotations

from gitlinks import schemas as s
from gitlinks import services
from gitlinks.selectors.diffs import commit_diff_get
from gitlinks.selectors.repositories import repository_list
from tickets.operations import Operation

COMMIT_LINK = Operation(
    "commit_link", s.LinkCommit, s.CommitLinked, services.ticket_commit_link, services.ticket_commit_link_prepare
)
COMMIT_DIFF_GET = Operation("commit_diff_get", s.GetCommitDiff, s.CommitDiff, commit_diff_get)
REPOSITORY_LIST = Operation("repository_list", s.ListRepositories, s.RepositoryList, repository_list)

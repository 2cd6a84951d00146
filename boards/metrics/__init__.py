"""Figures over a workflow's history: a log kept in step with it, pure functions over that, and tables of both."""

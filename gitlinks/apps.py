"""App configuration."""

from django.apps import AppConfig


class GitlinksConfig(AppConfig):
    name = "gitlinks"

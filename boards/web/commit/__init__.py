"""The window on a commit."""

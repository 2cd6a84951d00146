"""The audit, and the board as it was."""

"""A ticket as a page and as the board's dialog, and the form of a new one."""

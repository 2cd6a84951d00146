"""Pages for people who supervise agents."""

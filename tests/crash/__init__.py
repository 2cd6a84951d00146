"""What survives when the server is killed."""

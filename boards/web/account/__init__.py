"""Signing in, the profile, and how an agent is connected."""

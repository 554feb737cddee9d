"""Profiles somebody's own script or calls: nothing of theirs changes."""

"""Ranks of one job: which traces they are, what they sent each other, and who kept whom waiting."""

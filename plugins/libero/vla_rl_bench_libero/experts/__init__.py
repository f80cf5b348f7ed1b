"""Scripted experts with privileged state: a skill for each goal predicate; no code is specific to a task."""

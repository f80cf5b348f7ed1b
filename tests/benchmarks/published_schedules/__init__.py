"""Schedules of published code, written anew from its sources; each names the code, its version and the place.

They run on this project's own pools, policies and trainers, so only the schedule differs.
"""

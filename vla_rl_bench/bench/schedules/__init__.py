"""Schedules of published code, written anew from what their sources do; each names the peer, its version and the place.

They run on this project's own pools, policies and trainers, so that only the schedule differs.
"""

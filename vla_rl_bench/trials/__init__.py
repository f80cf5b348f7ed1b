"""Trials judged by a person at a real robot: a sheet that is filled in key by key, and its table."""

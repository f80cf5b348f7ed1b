"""Trials on a real robot, judged by a person: a sheet that is filled in key by key, and its table."""

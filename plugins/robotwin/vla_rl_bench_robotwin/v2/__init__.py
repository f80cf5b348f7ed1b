"""RoboTwin 2.0 in the worker's own interpreter; only `environment.make` is named outside."""

"""The benchmark: our rollout and update beside the schedules of published code, on the same work in one run."""

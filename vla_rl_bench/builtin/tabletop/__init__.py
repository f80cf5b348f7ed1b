"""The embedded environment: a batched NumPy tabletop with four task suites, so that everything runs without a simulator."""

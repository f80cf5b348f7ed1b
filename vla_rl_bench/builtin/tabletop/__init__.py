"""The embedded environment: a batched NumPy tabletop with four task suites.  Everything runs without a simulator."""

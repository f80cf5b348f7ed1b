"""Emergent behaviour: in which way successes come about before, during and after RL, and what demonstrations lack."""

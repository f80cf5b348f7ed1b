"""Plots and films of a suite's results.  The same results give the same bytes."""

"""HTML page of a suite's results: one file that opens without a network."""

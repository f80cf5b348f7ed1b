"""A suite's results as one page that opens anywhere."""

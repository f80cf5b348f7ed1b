"""Old paths of `vla_rl_bench.analysis.tables`; each works for one more release."""

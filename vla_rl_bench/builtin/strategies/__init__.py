"""Training strategies: one process with plain torch, or several with DeepSpeed."""

"""How a policy is trained: in one process with plain torch, or in several with DeepSpeed."""

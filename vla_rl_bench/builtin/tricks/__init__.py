"""The paper's three tricks to keep exploring (SimpleVLA-RL, section 3.3), through the hooks that third parties use."""

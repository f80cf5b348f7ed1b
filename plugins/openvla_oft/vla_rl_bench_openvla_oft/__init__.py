"""OpenVLA-OFT and OpenVLA as policies for vla-rl-bench."""

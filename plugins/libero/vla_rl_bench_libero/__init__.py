"""LIBERO (Lifelong-Robot-Learning/LIBERO, MIT) as a vla-rl-bench environment."""

__version__ = "0.1.0"

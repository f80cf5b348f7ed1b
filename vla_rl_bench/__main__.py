"""``python -m vla_rl_bench``: the command line, where a launcher wants a module (``torchrun -m vla_rl_bench ...``)."""

import sys

from vla_rl_bench.cli.main import main

if __name__ == "__main__":
    sys.exit(main())

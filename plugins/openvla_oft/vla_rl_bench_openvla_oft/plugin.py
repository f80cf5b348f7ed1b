"""Hooks of this distribution."""

from __future__ import annotations

from collections.abc import Iterator

from vla_rl_bench.entries import PolicyEntry
from vla_rl_bench.hookspecs import hookimpl
from vla_rl_bench_openvla_oft.options import OpenVlaOftOptions, OpenVlaOptions

_REQUIRES = ("torch", "transformers", "peft", "tokenizers", "simplejpeg")
_INSTALL = 'pip install -e "plugins/openvla_oft"'


@hookimpl
def register_policies() -> Iterator[PolicyEntry]:
    yield PolicyEntry(
        name="openvla-oft",
        summary="OpenVLA-OFT with its token head: a chunk of actions in one forward (arXiv 2502.19645)",
        make="vla_rl_bench_openvla_oft.policy:make",
        expects="vla_rl_bench_openvla_oft.spaces:expects",
        options=OpenVlaOftOptions,
        requires=_REQUIRES,
        install=_INSTALL,
        memory="vla_rl_bench_openvla_oft.memory:memory",
        needs="vla_rl_bench_openvla_oft.needs:needs",
    )
    yield PolicyEntry(
        name="openvla",
        summary="OpenVLA: one action, its seven tokens drawn one after another (arXiv 2406.09246)",
        make="vla_rl_bench_openvla_oft.policy:make_autoregressive",
        expects="vla_rl_bench_openvla_oft.spaces:expects",
        options=OpenVlaOptions,
        requires=_REQUIRES,
        install=_INSTALL,
        memory="vla_rl_bench_openvla_oft.memory:memory",
        needs="vla_rl_bench_openvla_oft.needs:needs",
    )

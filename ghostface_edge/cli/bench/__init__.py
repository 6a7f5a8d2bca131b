"""The verbs that measure cost: multiplications, latency, memory."""

from __future__ import annotations

import click

from ..options import show_help
from .arm import arm
from .latency import latency
from .macs import macs


@click.group(name="bench", invoke_without_command=True)
@click.pass_context
def bench(context: click.Context) -> None:
    """Measure what a model costs, on this device."""
    show_help(context)


for verb in (arm, latency, macs):
    bench.add_command(verb)

"""The verbs that measure cost: multiplications, latency, memory."""

from __future__ import annotations

import click

from ..options import show_help
from .arm import arm
from .latency import latency
from .macs import macs
from .peers import peers
from .pipeline import pipeline
from .results import compare, report_runs


@click.group(name="bench", invoke_without_command=True)
@click.pass_context
def bench(context: click.Context) -> None:
    """Measure what a model costs, on this device."""
    show_help(context)


for verb in (macs, latency, pipeline, peers, arm, compare, report_runs):
    bench.add_command(verb)

"""What networks cost, counted: no model runs."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import click

from ..options import plain_options
from ..output import answer, check_place, report, say, table


@click.command(short_help="Count multiplications, parameters, bytes and memory of networks.")
@click.argument("what", nargs=-1, required=True)
@click.option("--layers", is_flag=True, help="Also a table of all layers.")
@click.option("--markdown", is_flag=True, help="Tables as Markdown.")
@click.option("--chart", metavar="FILE", help="Draw one network's layers, or several networks: .svg or .png.")
@click.option(
    "--size",
    type=int,
    metavar="PIXELS",
    help="Height and width of the picture, for an .onnx file that leaves them open.",
)
@plain_options
def macs(
    what: tuple[str, ...], layers: bool, markdown: bool, chart: str | None, size: int | None, as_json: bool
) -> None:
    """Count MACs, FLOPs, parameters, weight bytes and memory of networks.

    WHAT is an .h5, .keras, .onnx or .tflite file, the name of an architecture such as ghostfacenet-v1-1.3-2, or "all"
    for the variants that were published. Nothing runs, and no weights are needed.
    """
    if markdown and as_json:
        raise click.UsageError("--markdown and --json exclude each other", click.get_current_context())
    # By name, because the folder stands beside this package in a checkout and inside it only once installed.
    counting = import_module("ghostface_edge.benchmarks.macs")
    tables = import_module("ghostface_edge.benchmarks.cost_tables")
    if chart is not None:
        charts = import_module("ghostface_edge.benchmarks.cost_charts")
        check_place(chart, *what)
        charts.check_chart(chart)
    names = [name for word in what for name in (counting.OFFICIAL if word == "all" else (word,))]
    costs = [counting.count(name, size=size) for name in names]
    if chart is not None:
        charts.draw_costs(costs, chart)
        report("note", f"chart written to {chart}")
    if as_json:
        documents = [cost.to_dict() for cost in costs]
        if not layers:
            documents = [{key: value for key, value in item.items() if key != "layers"} for item in documents]
        answer({"networks": documents}, "", as_json)
        return
    say("\n\n".join(_parts(tables, costs, layers=layers, as_markdown=markdown)))


def _parts(tables: Any, costs: list[Any], *, layers: bool, as_markdown: bool) -> list[str]:
    """The tables of an answer for people."""
    draw = tables.markdown if as_markdown else table
    if len(costs) == 1 and not as_markdown:
        first, *others = tables.summary_rows(costs[0])
        parts = [table(first, others)]
    else:
        parts = [draw(*tables.network_rows(costs)), tables.LEGEND]
    if layers:
        parts += [draw(*tables.layer_rows(cost)) for cost in costs]
    return parts

"""Costs of networks as text: for a terminal, or as Markdown for a page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from .macs import Cost

_NETWORKS = (
    "network",
    "parameters",
    "MACs",
    "FLOPs",
    "notebook",
    "float32",
    "float16",
    "dynamic",
    "int8",
    "peak",
    "in order",
    "MACs/byte",
)
_LAYERS = ("layer", "kind", "makes", "parameters", "MACs", "FLOPs", "moved", "memory", "MACs/byte")

LEGEND = (
    "Million MACs (one multiplication and one addition of a convolution; the paper calls them FLOPs) and million FLOPs "
    "(all arithmetic, two for a MAC); notebook: million FLOPs as upstream's notebook counts them, which are MACs and "
    "some halves. kB (1,000 bytes) of weights as the converter writes them, by precision, or as the file has them. "
    "Peak: kB of activations of one picture in the best order of the operations, and in their own order."
)


def network_rows(costs: Iterable[Cost]) -> tuple[list[str], list[list[str]]]:
    """Header and rows of the table of networks; precisions that a file is not in are dashes."""
    costs = list(costs)
    others = dict.fromkeys(key for cost in costs for key in cost.weight_bytes if key not in _NETWORKS)
    precisions = [*_NETWORKS[5:9], *others]
    header = [*_NETWORKS[:5], *precisions, *_NETWORKS[9:]]
    rows = [
        [
            cost.name,
            f"{cost.parameters:,}",
            millions(cost.macs),
            millions(cost.flops),
            "-" if cost.notebook_flops is None else millions(cost.notebook_flops),
            *(kilobytes(cost.weight_bytes[name]) if name in cost.weight_bytes else "-" for name in precisions),
            f"{kilobytes(cost.peak_bytes)}{'' if cost.peak_proved else ' or less'}",
            kilobytes(cost.peak_in_order_bytes),
            f"{cost.intensity:.2f}",
        ]
        for cost in costs
    ]
    return header, rows


def layer_rows(cost: Cost) -> tuple[list[str], list[list[str]]]:
    """Header and rows of the table of a network's layers, the last of them the sum."""
    rows = [
        [
            layer.name,
            layer.kind,
            " x ".join(map(str, layer.shape)),
            f"{layer.parameters:,}",
            f"{layer.macs:,}",
            f"{layer.flops:,}",
            f"{layer.moved_bytes:,}",
            f"{layer.memory_bytes:,}",
            f"{layer.intensity:.2f}",
        ]
        for layer in cost.layers
    ]
    total = [f"{value:,}" for value in (cost.parameters, cost.macs, cost.flops, cost.moved_bytes, cost.peak_bytes)]
    return list(_LAYERS), [*rows, ["total", f"{len(rows)} layers", "", *total, f"{cost.intensity:.2f}"]]


def summary_rows(cost: Cost) -> list[tuple[str, str]]:
    """What there is to say about one network, for people."""
    notebook, proved = cost.notebook_flops, "proved to be the best" if cost.peak_proved else "the best that was found"
    return [
        ("network", cost.name),
        ("counted as", cost.format),
        ("picture", " x ".join(map(str, cost.picture))),
        ("parameters", f"{cost.parameters:,}"),
        ("MACs", f"{cost.macs:,} in convolutions; the paper's FLOPs are MACs"),
        ("FLOPs", f"{cost.flops:,}, two for a MAC and all other arithmetic"),
        *([] if notebook is None else [("notebook", f"{notebook:,} as upstream's notebook counts FLOPs")]),
        *((f"{name} weights", f"{size:,} bytes") for name, size in cost.weight_bytes.items()),
        ("peak memory", f"{cost.peak_bytes:,} bytes of activations, {proved}; {cost.peak_in_order_bytes:,} in order"),
        ("intensity", f"{cost.intensity:.2f} MACs for each byte of weights and activations"),
        *((f"not in FLOPs: {kind}", str(number)) for kind, number in cost.uncounted.items()),
    ]


def markdown(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; numbers stand to the right."""
    cells = [[printable(cell).replace("|", "\\|") for cell in row] for row in rows]
    numeric = [all(row[column][:1] in "-0123456789" for row in cells) for column in range(len(header))]
    rule = ["---:" if right else "---" for right in numeric]
    return "\n".join(f"| {' | '.join(row)} |" for row in (header, rule, *cells))


def millions(number: int) -> str:
    """Such as ``10.72``."""
    return f"{number / 1e6:,.2f}"


def kilobytes(number: int) -> str:
    """Such as ``2,820``."""
    return f"{number / 1e3:,.0f}"


def printable(name: str) -> str:
    """A name, of a file perhaps, with escapes for what cannot be written or would break a line."""
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in name)

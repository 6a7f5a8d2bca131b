"""The report of a conversion: what the file keeps of the float network, and where it loses the rest.

One HTML file without scripts or anything loaded from elsewhere, for people; the same content as JSON, for programs.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from ghostface_edge.card import ModelCard

from . import charts
from .detector_gate import DetectorGate
from .detector_parity import DetectorParity
from .gate import Gate
from .int8_kernels import Int8Kernel
from .parity import Parity, TensorParity
from .sensitivity import Damage

_WORST = 20
_SHOWN_RANGES = 4

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #222; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.5rem } h2 { font-size: 1.15rem; margin-top: 2.2rem }
table { border-collapse: collapse } td, th { padding: .15rem .8rem .15rem 0; text-align: left; vertical-align: top }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums }
.verdict { padding: .6rem 1rem; border-left: 6px solid; font-weight: 600 }
.passed { border-color: #2a7d3f; background: #eef7f0 } .failed { border-color: #b3261e; background: #fbeeed }
.unmeasured { border-color: #8a6d00; background: #faf5e3 }
p.note { color: #555; max-width: 46rem }
svg { max-width: 100%; height: auto } svg .grid { stroke: #ddd; fill: none } svg .tick { text-anchor: end }
svg text { font: 11px system-ui, sans-serif; fill: #555 } svg .label { text-anchor: middle }
svg .line { stroke: #1f5fa8; fill: none } svg .dots { fill: #1f5fa8 } svg .bars { fill: #7ea6d3 }
svg .equal { stroke: #b3261e; stroke-dasharray: 4 3; fill: none }
"""


@dataclass(frozen=True)
class RangeChart:
    """What each channel of one tensor reaches on the faces: ``low`` and ``high`` have one number per channel."""

    name: str
    low: tuple[float, ...]
    high: tuple[float, ...]


@dataclass(frozen=True)
class StoredLayer:
    """One weight tensor of the file."""

    name: str
    dtype: str
    bytes: int


@dataclass(frozen=True)
class OperatorCount:
    """Operators of one kind, and how many of them XNNPACK runs (None where that is not known)."""

    kind: str
    count: int
    delegated: int | None = None


@dataclass(frozen=True)
class Report:
    """Everything that a conversion measured.

    Attributes:
        file: Name of the model file.
        size: Its bytes.
        card: The card in it.
        gate: What it had to keep; None where the gate was off.
        failures: What it missed, in words.
        parity: Against the float network; None where no faces were given and none are needed.
        faces: What kind of pictures the parity was measured on, in words.
        damages: What the rounding of each tensor is predicted to cost, the most harmful first; empty for float.
        tensors: Tensor by tensor, in the order of computation; may be empty.
        ranges: Per channel, of the tensors that lose most.
        similarities: Of pairs of faces, (in float, in the file).
        operators: What the file is made of.
        partitions: Number of pieces that XNNPACK runs; None where that is not known.
        layers: The stored weights, largest first.
        notes: What else a reader should know, a sentence each.
        kernels: What int8 does for each kernel, in the order in which they are chosen; empty where none were.
    """

    file: str
    size: int
    card: ModelCard
    gate: Gate | DetectorGate | None
    failures: tuple[str, ...]
    parity: Parity | DetectorParity | None
    faces: str
    damages: tuple[Damage, ...] = ()
    tensors: tuple[TensorParity, ...] = ()
    ranges: tuple[RangeChart, ...] = ()
    similarities: tuple[tuple[float, float], ...] = ()
    operators: tuple[OperatorCount, ...] = ()
    partitions: int | None = None
    layers: tuple[StoredLayer, ...] = ()
    notes: tuple[str, ...] = ()
    kernels: tuple[Int8Kernel, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether nothing was missed."""
        return not self.failures

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "file": self.file,
            "bytes": self.size,
            "card": self.card.to_dict(),
            "gate": self.gate and self.gate.to_dict(),
            "passed": self.passed,
            "failures": list(self.failures),
            "parity": self.parity and self.parity.to_dict(),
            "faces": self.faces,
            "damages": [item.to_dict() for item in self.damages],
            "tensors": [item.to_dict() for item in self.tensors],
            "ranges": [dict(vars(item)) for item in self.ranges],
            "similarities": [list(pair) for pair in self.similarities],
            "operators": [dict(vars(item)) for item in self.operators],
            "partitions": self.partitions,
            "layers": [dict(vars(item)) for item in self.layers],
            "notes": list(self.notes),
            "kernels": [item.to_dict() for item in self.kernels],
        }

    def to_json(self) -> str:
        """The report as a JSON document."""
        return json.dumps(self.to_dict(), indent=1, sort_keys=True, allow_nan=False) + "\n"

    def to_html(self) -> str:
        """The report as one HTML page."""
        title = f"{self.card.name}, {self.card.precision}"
        sections = (
            self._verdict(),
            _section("What was made", _facts(self._facts())),
            _section("Notes", "".join(f"<p>{escape(note)}</p>" for note in self.notes)),
            self._similarity_chart(),
            self._depth_chart(),
            self._damage_table(),
            self._worst_tensors(),
            self._range_charts(),
            self._operator_table(),
            self._layer_table(),
            self._kernel_table(),
        )
        return (
            f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
            f"<style>{_STYLE}</style></head>\n<body><h1>{escape(title)}</h1>\n"
            + "\n".join(section for section in sections if section)
            + "</body></html>\n"
        )

    def _verdict(self) -> str:
        if self.parity is None:
            return '<p class="verdict unmeasured">Not measured: no faces were given.</p>'
        if self.failures:
            return f'<p class="verdict failed">Refused: {escape("; ".join(self.failures))}.</p>'
        return f'<p class="verdict passed">Passed. {escape(self.parity.to_text())}</p>'

    def _facts(self) -> dict[str, str]:
        card, parity, gate = self.card, self.parity, self.gate
        facts = {
            "File": f"{self.file}, {self.size:,} bytes",
            "Network": f"{card.architecture} ({card.model_id})",
            "Precision": card.arithmetic,
            "Made from": f"{card.source.file}, sha256 {card.source.sha256}",
            "Gate": "off" if gate is None else gate.to_text(),
            "Measured on": self.faces,
        }
        if parity is not None:
            facts.update(parity.facts())
        return facts

    def _similarity_chart(self) -> str:
        if not self.similarities:
            return ""
        before, after = zip(*self.similarities)
        note = (
            "Each dot is a pair of faces: how alike the float network finds them, and how alike this file does. On the "
            "dashed line both agree. What matters for recognition is how far dots stray from it near the threshold."
        )
        chart = charts.scatter(before, after, "similarity in float", "similarity in this file")
        return _section("Similarities of pairs", f'<p class="note">{note}</p>{chart}')

    def _depth_chart(self) -> str:
        if not self.tensors:
            return ""
        note = (
            "Signal to noise of every tensor, from the picture (left) to the output (right), with all noise that "
            "came before. 6 dB are one bit. A steep fall names the layer that does the damage; a slow decline is the "
            "sum of many."
        )
        chart = charts.depth(
            [item.sqnr for item in self.tensors],
            [item.name for item in self.tensors],
            "tensors in order of computation",
            "signal to noise, dB",
        )
        return _section("Error through the network", f'<p class="note">{note}</p>{chart}')

    def _damage_table(self) -> str:
        if not self.damages:
            return ""
        note = (
            "Every tensor's rounding on its own: how far it turns the embedding, predicted from derivatives, as a loss "
            "of mean cosine and as a share of the sum. A few large shares name layers to keep in float (precision "
            "mixed); a long even tail means that only more bits would help. Where the predicted loss is near 1 or "
            "above, the tensor alone destroys the embedding."
        )
        rows = [(item.tensor, item.operator, f"{item.loss:.2g}", f"{item.share:.1%}") for item in self.damages[:_WORST]]
        table = _table(("tensor", "made by", "predicted loss of cosine", "share"), rows)
        return _section("Layers by damage", f'<p class="note">{note}</p>{table}')

    def _worst_tensors(self) -> str:
        losses = tensor_losses(self.tensors)
        if not losses:
            return ""
        note = (
            "Ranked by how much signal to noise is lost at this tensor against the best that came before it. "
            "The spread is the largest channel's range over the median one's: all channels of an activation share "
            "one scale, so where the spread is large, small channels are left with few levels."
        )
        rows = []
        for item, loss in losses[:_WORST]:
            reach = f"{item.low:.3g} .. {item.high:.3g}"
            rows.append((item.name, f"{loss:.1f}", f"{item.sqnr:.1f}", reach, f"{item.channel_spread:.3g}"))
        table = _table(("tensor", "lost here, dB", "left, dB", "range", "spread"), rows)
        return _section("Where noise comes in", f'<p class="note">{note}</p>{table}')

    def _range_charts(self) -> str:
        if not self.ranges:
            return ""
        parts = "".join(
            f"<h3>{escape(item.name)}</h3>" + charts.ranges(item.low, item.high, "channel") for item in self.ranges
        )
        return _section("Ranges per channel, of the layers above", parts)

    def _operator_table(self) -> str:
        if not self.operators:
            return ""
        known = self.partitions is not None
        rows = [
            (item.kind, str(item.count), *((str(item.delegated),) if item.delegated is not None else ()))
            for item in self.operators
        ]
        heads = ("operator", "count", *(("in XNNPACK",) if known else ()))
        note = (
            f'<p class="note">XNNPACK runs the network in {self.partitions} piece(s). Every further piece costs copies '
            "and slow kernels between them.</p>"
            if known
            else ""
        )
        return _section("Operators", note + _table(heads, rows))

    def _layer_table(self) -> str:
        if not self.layers:
            return ""
        total = sum(item.bytes for item in self.layers)
        rows = [(item.name, item.dtype, f"{item.bytes:,}") for item in self.layers[:_WORST]]
        note = f'<p class="note">{len(self.layers)} stored tensors, {total:,} bytes; the largest {len(rows)}:</p>'
        return _section("Bytes per layer", note + _table(("tensor", "type", "bytes"), rows))

    def _kernel_table(self) -> str:
        if not self.kernels:
            return ""
        note = (
            "Kernels in the order in which they become int8, those first that lose least for each byte saved, and what "
            "the file has saved and lost so far. An inference takes the same instructions in every row, because int8 "
            "kernels are widened once, when the file is loaded."
        )
        rows, saved, loss = [], 0, 0.0
        for item in self.kernels:
            saved, loss = saved + item.saved, loss + item.loss
            rows.append(
                (item.name, "int8" if item.chosen else "float16", f"{item.saved:,}", f"{saved:,}", f"{loss:.2g}")
            )
        heads = ("kernel", "in this file", "bytes saved", "in all", "predicted loss of cosine, in all")
        return _section("Bytes against accuracy", f'<p class="note">{note}</p>{_table(heads, rows)}')


def tensor_losses(tensors: Sequence[TensorParity]) -> list[tuple[TensorParity, float]]:
    """Tensors by the decibels that each loses against the worst one before it, largest loss first."""
    losses = []
    floor = None
    for item in tensors:
        if floor is not None and item.sqnr < floor:
            losses.append((item, floor - item.sqnr))
        floor = item.sqnr if floor is None else min(floor, item.sqnr)
    return sorted(losses, key=lambda pair: -pair[1])


def worst_tensors(tensors: Sequence[TensorParity]) -> tuple[str, ...]:
    """Names of the tensors whose channels the report draws."""
    return tuple(item.name for item, _ in tensor_losses(tensors)[:_SHOWN_RANGES])


def _section(title: str, content: str) -> str:
    return f"<h2>{escape(title)}</h2>\n{content}" if content else ""


def _facts(facts: Mapping[str, str]) -> str:
    rows = "".join(f"<tr><th>{escape(name)}</th><td>{escape(value)}</td></tr>" for name, value in facts.items())
    return f"<table>{rows}</table>"


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    def cells(values: Sequence[str], tag: str) -> str:
        return "".join(
            f"<{tag}{' class=n' if index else ''}>{escape(value)}</{tag}>" for index, value in enumerate(values)
        )

    body = "".join(f"<tr>{cells(row, 'td')}</tr>" for row in rows)
    return f"<table><tr>{cells(heads, 'th')}</tr>{body}</table>"

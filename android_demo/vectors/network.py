"""A small network of Ghost modules whose integers come out the same on every processor.

Weights are whole numbers times a power of two, and so are the steps in which its int8 form stores tensors: no product
is rounded, and every tie is one for all kernels. A cosine below 1 - 1e-12 between two runtimes is a mistake in one of
them, not rounding.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from ghostface_edge.card import ARCFACE_ALIGNMENT, InputSpec, ModelCard, Source
from ghostface_edge.converters.graph import Add, Concat, Conv, Flatten, Graph, Input, Node, Relu
from ghostface_edge.converters.interpreter import interpret
from ghostface_edge.converters.quantization import Affine, Quantization, tied_tensors
from ghostface_edge.types import Threshold

SIDE = 112
EMBEDDING_SIZE = 32
STEM = 8
BOTTLENECKS = ((16, 8), (16, 12), (24, 16))
"""Expanded channels, channels; each halves height and width, from 56 to the 7 that the head takes."""

DETECTOR = "fixed"


def ghost_network(seed: int = 0) -> Graph:
    """Stem, Ghost bottlenecks with a shortcut, global depthwise convolution: a GhostFaceNet in small, for RGB."""
    return _Builder(seed).build()


def crops(count: int, seed: int) -> NDArray[np.uint8]:
    """(count, 112, 112, 3) RGB: coloured squares, which zlib packs small."""
    squares = np.random.default_rng(seed).integers(0, 256, (count, 14, 14, 3)).astype(np.uint8)
    return squares.repeat(8, axis=1).repeat(8, axis=2)


def card(precision: str, layout: str = "NHWC") -> ModelCard:
    """The card of the network, with thresholds for a detector called :data:`DETECTOR`."""
    return ModelCard(
        kind="embedder",
        model_id="ghost-modules-1",
        name="ghost modules",
        architecture="ghost-modules",
        precision=precision,
        input=InputSpec(SIDE, SIDE, layout, "RGB", 127.5, 1 / 128),
        source=Source("network.py", "0" * 64, 1),
        converter="android_demo/vectors",
        licence="random weights, free of any terms",
        alignment=ARCFACE_ALIGNMENT,
        embedding_size=EMBEDDING_SIZE,
        thresholds=(
            Threshold(1e-2, 0.75, DETECTOR, 0.05, 1000, 100, "made up"),
            Threshold(1e-3, 0.85, DETECTOR, 0.1, 1000, 100, "made up", 40, 0.004, 0.84, 0.86),
        ),
    )


def quantization(graph: Graph, pictures: NDArray[np.float32]) -> Quantization:
    """int8 in steps that are powers of two, over what the tensors hold for these pictures."""
    tensors, ties = interpret(graph, pictures), tied_tensors(graph)
    ends: dict[str, list[float]] = {}
    for name, representative in ties.items():
        ends.setdefault(representative, []).extend((float(tensors[name].min()), float(tensors[name].max())))
    affines = {graph.input.name: Affine(1 / 128, -1)}
    for name, representative in ties.items():
        low, high = min(ends[representative]), max(ends[representative])
        span, zero_point = (high / 255, -128) if low >= 0 else (max(-low, high) / 127, 0)
        affines.setdefault(name, Affine(2.0 ** math.ceil(math.log2(span)), zero_point))
    return Quantization(affines)


class _Builder:
    def __init__(self, seed: int) -> None:
        self._random = np.random.default_rng(seed)
        self._nodes: list[Node] = [Input("input", (), SIDE, SIDE, 3)]

    def build(self) -> Graph:
        x, channels = self._relu(self._conv("stem", "input", (3, 3, 3, STEM), stride=2)), STEM
        for number, (expanded, made) in enumerate(BOTTLENECKS, 1):
            name = f"stack{number}"
            main = self._ghost(f"{name}_expand", x, channels, expanded, relu=True)
            main = self._conv(f"{name}_down", main, (3, 3, expanded, 1), stride=2)
            main = self._ghost(f"{name}_project", main, expanded, made, relu=False)
            short = self._conv(f"{name}_short_down", x, (3, 3, channels, 1), stride=2)
            short = self._conv(f"{name}_short", short, (1, 1, channels, made))
            x, channels = self._append(Add(f"{name}_add", (main, short))), made
        x = self._conv("head_depthwise", x, (7, 7, channels, 1), pad=0)
        x = self._conv("head", x, (1, 1, channels, EMBEDDING_SIZE))
        return Graph((*self._nodes, Flatten("embedding", (x,))), ("embedding",))

    def _ghost(self, name: str, x: str, channels: int, made: int, *, relu: bool) -> str:
        """Half of the channels by a 1 x 1 convolution, the other half by a cheap 3 x 3 one of these (GhostNet)."""
        half = made // 2
        primary = self._conv(f"{name}_primary", x, (1, 1, channels, half))
        primary = self._relu(primary) if relu else primary
        cheap = self._conv(f"{name}_cheap", primary, (3, 3, half, 1))
        cheap = self._relu(cheap) if relu else cheap
        return self._append(Concat(f"{name}_both", (primary, cheap)))

    def _conv(
        self, name: str, x: str, shape: tuple[int, int, int, int], *, stride: int = 1, pad: int | None = None
    ) -> str:
        rows, columns, inputs, outputs = shape
        depthwise = outputs == 1
        kernel = self._random.integers(-126, 127, shape)
        # The largest weight of each filter is 127 steps, so that int8 stores it as it is.
        kernel[rows // 2, columns // 2, slice(None) if depthwise else 0] = 127
        terms = rows * columns * (1 if depthwise else inputs)
        step = 2.0 ** -round(math.log2(73 * math.sqrt(terms)))
        bias = self._random.integers(-8, 9, inputs if depthwise else outputs) / 16
        pad = rows // 2 if pad is None else pad
        return self._append(
            Conv(
                name,
                (x,),
                (kernel * step).astype(np.float32),
                bias.astype(np.float32),
                (stride, stride),
                (pad, pad, pad, pad),
                depthwise,
            )
        )

    def _relu(self, x: str) -> str:
        return self._append(Relu(f"{x}_relu", (x,)))

    def _append(self, node: Node) -> str:
        self._nodes.append(node)
        name: str = node.name
        return name

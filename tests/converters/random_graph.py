"""Random small networks of every kind of node, for passes to be proved on."""

from __future__ import annotations

import itertools

import numpy as np

from ghostface_edge.converters.graph import (
    Add,
    AveragePool,
    BatchNorm,
    Concat,
    Conv,
    Flatten,
    GlobalAveragePool,
    Graph,
    HardSigmoid,
    Input,
    MaxPool,
    Mul,
    Node,
    PRelu,
    Relu,
    ResizeBilinear,
    Scale,
    Shape,
    Sigmoid,
    Upsample2x,
)
from ghostface_edge.converters.passes.remove_dead import remove_dead

PICTURE = (6, 7, 3)


class RandomGraph:
    """Appends random nodes, whose inputs are random tensors that there are already."""

    def __init__(self, seed: int) -> None:
        self.random = np.random.default_rng(seed)
        self.names = itertools.count()
        self.nodes: list[Node] = [Input("input", (), *PICTURE)]
        self.shapes: dict[str, Shape] = {"input": PICTURE}

    def add(self, node: Node) -> str:
        self.nodes.append(node)
        self.shapes[node.name] = node.shape(*(self.shapes[name] for name in node.inputs))
        return node.name

    def name(self) -> str:
        return f"n{next(self.names)}"

    def numbers(self, *shape: int) -> np.ndarray:
        return self.random.normal(size=shape).astype(np.float32)

    def pick(self, like: Shape | None = None) -> str:
        """A tensor, of a given shape or a recent one that is no single pixel."""
        names = [name for name, shape in self.shapes.items() if (shape == like if like else shape[0] > 1)]
        return str(self.random.choice(names[-4:]))

    def conv(self, source: str, outputs: int | None = None) -> str:
        channels = self.shapes[source][-1]
        depthwise = outputs is None and bool(self.random.integers(2))
        outputs = channels if depthwise else outputs or int(self.random.integers(2, 5))
        side = int(self.random.choice([1, 3])) if self.shapes[source][0] > 1 else 1
        kernel = self.numbers(side, side, channels, 1 if depthwise else outputs) / np.float32(side * channels**0.5)
        bias = self.numbers(outputs) if self.random.integers(2) else None
        return self.add(Conv(self.name(), (source,), kernel, bias, (1, 1), (side // 2,) * 4, depthwise))

    def prelu(self, source: str) -> str:
        wide = self.random.choice([-16, -3, -1, -0.4, 0, 0.3, 1, 2, 15], self.shapes[source][-1])
        return self.add(PRelu(self.name(), (source,), wide.astype(np.float32)))

    def norm(self, source: str) -> str:
        channels = self.shapes[source][-1]
        spread = self.random.uniform(0.5, 2, channels).astype(np.float32)
        numbers = [self.numbers(channels) for _ in range(3)]
        return self.add(BatchNorm(self.name(), (source,), numbers[0], numbers[1], numbers[2], spread, 1e-3))

    def gated(self, source: str) -> str:
        """Squeeze-and-excite, or the attention of GhostNetV2, whose gate is computed at half the size."""
        height, width, channels = self.shapes[source]
        if self.random.integers(2):
            gate = self.conv(self.add(GlobalAveragePool(self.name(), (source,))), channels)
            gate = self.add(HardSigmoid(self.name(), (gate,), 0.2, 0.5))
        else:
            gate = self.conv(self.add(AveragePool(self.name(), (source,), 2)), channels)
            gate = self.add(Sigmoid(self.name(), (gate,)))
            gate = self.add(ResizeBilinear(self.name(), (gate,), height, width))
        return self.add(Mul(self.name(), (source, gate)))

    def joined(self, source: str) -> str:
        """A ghost module: both halves side by side."""
        cheap = self.conv(source, self.shapes[source][-1])
        return self.add(Concat(self.name(), (source, cheap)))

    def resized(self, source: str) -> str:
        small = MaxPool if self.random.integers(2) else AveragePool
        height, width, _ = self.shapes[source]
        pooled = self.add(small(self.name(), (source,), 2))
        if height % 2 == 0 and width % 2 == 0 and self.random.integers(2):
            return self.add(Upsample2x(self.name(), (pooled,)))
        return self.add(ResizeBilinear(self.name(), (pooled,), height, width))

    def grow(self) -> None:
        source = self.pick()
        kind = self.random.integers(10)
        if kind < 3:
            self.prelu(self.conv(source))
        elif kind == 3:
            self.add(Relu(self.name(), (self.norm(self.conv(source)),)))
        elif kind == 4:
            self.add(Add(self.name(), (source, self.pick(self.shapes[source]))))
        elif kind == 5:
            self.gated(source)
        elif kind == 6:
            self.joined(self.conv(source))
        elif kind == 7:
            self.resized(source)
        elif kind == 8:
            self.add(Scale(self.name(), (self.norm(source),), self.numbers(self.shapes[source][-1])))
        else:
            self.prelu(source)

    def graph(self, steps: int) -> Graph:
        for _ in range(steps):
            self.grow()
        flat = self.add(Flatten(self.name(), (self.conv(self.pick(), 2),)))
        return remove_dead(Graph(tuple(self.nodes), (flat, self.pick())))


def random_graph(seed: int, steps: int = 14) -> Graph:
    """A network from ``input`` (6 x 7 x 3) to two outputs, one flat and one a map."""
    return RandomGraph(seed).graph(steps)

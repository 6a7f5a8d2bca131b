"""What a network has to do for one picture: its operations, and the tensors between them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod

from ghostface_edge.converters.graph import AveragePool, Conv, Graph, Input, MaxPool
from ghostface_edge.converters.multiplications import convolution_macs

from .operation import Operation, Shape, elementwise_flops

_FLOAT = 4  # bytes of a float32


@dataclass(frozen=True)
class Workload:
    """A network as a list of operations.

    Attributes:
        operations: In an order in which they can run.
        sizes: Bytes of every computed tensor, the picture among them.
        inputs: Tensors that are fed.
        outputs: Tensors that leave the network.
        picture: Shape of the picture, without the batch.
    """

    operations: tuple[Operation, ...]
    sizes: Mapping[str, int]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    picture: Shape

    def moved(self, operation: Operation) -> int:
        """Bytes of the tensors that an operation takes and makes."""
        return sum(self.sizes[name] for name in (*operation.inputs, *operation.outputs))


def graph_workload(graph: Graph, size: int | None = None) -> Workload:
    """The work of a graph in float32, node by node.

    Args:
        graph: The network.
        size: Height and width of the picture, for one that leaves them open.

    Raises:
        ConversionError: A node's inputs do not fit it, or the picture has no size.
    """
    shapes = graph.shapes(size, size)
    operations = []
    for node in graph.nodes:
        if isinstance(node, Input):
            continue
        made, taken = shapes[node.name], shapes[node.inputs[0]]
        weights = sum(array.size for array in node.weights().values())
        macs = 0
        flops: int | None
        if isinstance(node, Conv):
            macs = convolution_macs(made[:2], node.kernel.shape)
            flops = 2 * macs + (0 if node.bias is None else prod(made))
        else:
            window = node.size**2 if isinstance(node, (MaxPool, AveragePool)) else 1
            flops = elementwise_flops(type(node).__name__, made, taken, window)
        kind = type(node).__name__
        operations.append(
            Operation(node.name, kind, node.inputs, (node.name,), made, macs, flops, weights, _FLOAT * weights)
        )
    sizes = {name: _FLOAT * prod(shape) for name, shape in shapes.items()}
    picture = graph.input.name
    return Workload(tuple(operations), sizes, (picture,), graph.outputs, shapes[picture])

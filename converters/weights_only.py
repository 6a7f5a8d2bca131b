"""Lays a file of weights alone onto a network that the user names.

Such a file has no description. Its layers stand in the order in which Keras lists the layers of a model, and they are
matched with those of the network by that order and by kind; every shape is checked. Names are not used: they differ
between versions of upstream's code, and Keras goes on counting in a session that builds more than one model.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from ghostface_edge.errors import CheckpointError

from .architectures import architecture
from .checkpoint import HARD_SIGMOIDS, UNKNOWN_HARD_SIGMOID, Checkpoint, plain_hard_sigmoid
from .graph import BatchNorm, Conv, FloatArray, Graph, HardSigmoid, Node, PRelu, Shape
from .hdf5 import Hdf5File
from .keras_weights import SNAKE_CASE, variables, weight_name

_log = logging.getLogger(__name__)

_NAMES = {
    "Conv2D": ("kernel", "bias"),
    "DepthwiseConv2D": ("depthwise_kernel", "bias"),
    "BatchNormalization": ("gamma", "beta", "moving_mean", "moving_variance"),
    "PReLU": ("alpha",),
}
"""Weights of each kind of layer, in Keras' order."""

_MARKS = {
    "Conv2D": "kernel",
    "DepthwiseConv2D": "depthwise_kernel",
    "BatchNormalization": "moving_variance",
    "PReLU": "alpha",
}
"""The weight by which a layer shows its kind. A dense layer shows as a Conv2D, and stands behind the embedding."""

_LAYERS = "layers"


@dataclass(frozen=True)
class _Stored:
    """A layer of the file: its place in the file's order, and the paths of its weights by their names."""

    name: str
    place: int
    paths: Mapping[str, str]


def lay_weights(file: Hdf5File, name: str, hard_sigmoid: str | None) -> Checkpoint:
    """The network of this name with the weights of a file.

    Args:
        file: In the layout of Keras 2 (``layer_names``), or that of ``.weights.h5`` (``layers/conv2d_7/vars/0``).
        name: Of the network; see :func:`~ghostface_edge.converters.architectures.architecture`.
        hard_sigmoid: ``keras2`` or ``keras3``, where the file does not say which Keras wrote it.

    Raises:
        CheckpointError: The weights do not fit the network; the message names the first layer that does not.
        OptionError: There is no network of this name, or ``hard_sigmoid`` contradicts the file.
    """
    graph = architecture(name)
    root = next((group for group in ("", "model_weights") if file.names("layer_names", group) is not None), None)
    if root is not None:
        stored = _named_layers(file, root)
        version = file.text("keras_version", root)
    elif file.has(_LAYERS):
        stored = _numbered_layers(file)
        # Keras 3.7 and newer note each layer's name there; Keras 2 and older ones do not.
        version = "3" if file.text("name", f"{_LAYERS}/{SNAKE_CASE['Conv2D']}/vars") is not None else None
    else:
        raise CheckpointError("it holds no weights in a layout of Keras (layer_names, or the group layers)")
    graph = _with_hard_sigmoid(graph, plain_hard_sigmoid(version, hard_sigmoid))
    laid, left_out = _lay(file, graph, stored, name)
    if left_out:
        _log.info("layers that %r does not have, such as a training head, are left out: %s", name, left_out)
    return Checkpoint(laid, left_out)


def keras_order(graph: Graph) -> list[Node]:
    """The nodes in the order in which Keras lists the layers of a model made by the functional API.

    Those that are farther from the output come first; of equal ones, the one that is met first when the network is
    walked from the output, inputs in their order (Keras 2 ``engine/functional.py``, ``_map_graph_network``; Keras 3
    ``models/functional.py`` and ``ops/function.py``, ``map_graph``).
    """
    nodes = graph.by_name()
    met: dict[str, int] = {}
    stack = list(reversed(graph.outputs))
    while stack:
        name = stack.pop()
        if name not in met:
            met[name] = len(met)
            stack.extend(reversed(nodes[name].inputs))
    depth = dict.fromkeys(nodes, 0)
    for node in reversed(graph.nodes):
        for source in node.inputs:
            depth[source] = max(depth[source], depth[node.name] + 1)
    return sorted((nodes[name] for name in met), key=lambda node: (-depth[node.name], met[node.name]))


def _named_layers(file: Hdf5File, root: str) -> dict[str, list[_Stored]]:
    """Layers by kind, in the layout of Keras 2; their kind shows in the names of their weights."""
    found: dict[str, list[_Stored]] = {kind: [] for kind in (*_NAMES, "")}
    for place, name in enumerate(file.names("layer_names", root) or ()):
        paths = {weight_name(path): path for path in file.arrays(f"{root}/{name}")}
        if paths:
            known = (kind for kind, names in _NAMES.items() if _MARKS[kind] in paths and set(paths) <= set(names))
            found[next(known, "")].append(_Stored(name, place, paths))
    return found


def _numbered_layers(file: Hdf5File) -> dict[str, list[_Stored]]:
    """Layers by kind, in the layout of ``.weights.h5``; their kind is their class, as it numbers them."""
    found: dict[str, list[_Stored]] = {kind: [] for kind in (*_NAMES, "")}
    groups = set(file.members(_LAYERS))
    for kind, names in _NAMES.items():
        while True:
            path = variables(kind, len(found[kind]))
            group = path.split("/")[1]
            if group not in groups:
                break
            groups.remove(group)
            members = file.members(path)
            if len(members) > len(names) or (kind == "BatchNormalization" and len(members) != len(names)):
                raise CheckpointError(
                    f"its layer {group!r} has {len(members)} weights; a {kind} has {len(names)}: {', '.join(names)}"
                )
            paths = {name: f"{path}/{number}" for number, name in zip(range(len(members)), names)}
            found[kind].append(_Stored(group, 0, paths))
    for group in sorted(groups):
        if file.members(f"{_LAYERS}/{group}/vars"):
            found[""].append(_Stored(group, 1, {}))
    return found


def _with_hard_sigmoid(graph: Graph, rule: tuple[float, float] | None) -> Graph:
    """The network with the ``hard_sigmoid`` of the Keras that wrote the file, where it uses Keras' own."""
    own = [node for node in graph.nodes if isinstance(node, HardSigmoid) and node.slope == HARD_SIGMOIDS["keras2"][0]]
    if own and rule is None:
        raise CheckpointError(f"the network {UNKNOWN_HARD_SIGMOID}")
    changed = {node.name: replace(node, slope=rule[0], offset=rule[1]) for node in own if rule is not None}
    return Graph(tuple(changed.get(node.name, node) for node in graph.nodes), graph.outputs)


def _kind(node: Node) -> str | None:
    if isinstance(node, Conv):
        return "DepthwiseConv2D" if node.depthwise else "Conv2D"
    if isinstance(node, BatchNorm):
        return "BatchNormalization"
    return "PReLU" if isinstance(node, PRelu) else None


def _lay(file: Hdf5File, graph: Graph, stored: Mapping[str, list[_Stored]], name: str) -> tuple[Graph, tuple[str, ...]]:
    """The graph with the file's weights, and the names of the layers behind it that it does not have."""
    waiting: dict[str, Iterator[_Stored]] = {kind: iter(layers) for kind, layers in stored.items()}
    changed: dict[str, Node] = {}
    last = 0
    for node in keras_order(graph):
        kind = _kind(node)
        if kind is None:
            continue
        layer = next(waiting[kind], None)
        if layer is None:
            raise _misfit(name, f"its layer {node.name!r} is one {kind} more than the file's {len(stored[kind])}")
        changed[node.name] = _filled(file, node, layer, f"its layer {node.name!r} ({kind})", name)
        last = max(last, layer.place)
    rest = [layer for layers in waiting.values() for layer in layers]
    for layer in rest:
        if layer.place <= last:
            raise _misfit(name, f"it has no layer for the file's {layer.name!r}")
    laid = Graph(tuple(changed.get(node.name, node) for node in graph.nodes), graph.outputs)
    return laid, tuple(layer.name for layer in sorted(rest, key=lambda layer: layer.place))


def _filled(file: Hdf5File, node: Node, layer: _Stored, what: str, name: str) -> Node:
    """A node with the weights of a layer."""

    def take(weight: str, shape: Shape) -> FloatArray:
        if weight not in layer.paths:
            raise _misfit(name, f"{what} has a {weight}, and the file's {layer.name!r} has none")
        array = file.array(layer.paths[weight])
        if array.shape != shape:
            raise _misfit(
                name,
                f"{what} has a {weight} of shape {shape}, and the file's {layer.name!r} one of shape {array.shape}",
            )
        return array

    if isinstance(node, Conv):
        if node.bias is None and "bias" in layer.paths:
            raise _misfit(name, f"{what} has no bias, and the file's {layer.name!r} has one")
        bias = None if node.bias is None else take("bias", node.bias.shape)
        return replace(
            node,
            kernel=take(_NAMES["DepthwiseConv2D" if node.depthwise else "Conv2D"][0], node.kernel.shape),
            bias=bias,
        )
    if isinstance(node, PRelu):
        return replace(node, slope=take("alpha", (1, 1, *node.slope.shape)).reshape(-1))
    assert isinstance(node, BatchNorm)  # noqa: S101 - _kind knows no other
    channels = node.mean.shape
    variance = take("moving_variance", channels)
    if not (variance + node.epsilon > 0).all():
        raise CheckpointError(f"its layer {layer.name!r} has a moving_variance that is negative")
    # Keras 2 names what is there: one without scale has no gamma.
    return replace(
        node,
        gamma=take("gamma", channels) if "gamma" in layer.paths else np.ones(channels, np.float32),
        beta=take("beta", channels) if "beta" in layer.paths else np.zeros(channels, np.float32),
        mean=take("moving_mean", channels),
        variance=variance,
    )


def _misfit(name: str, what: str) -> CheckpointError:
    return CheckpointError(f"the weights do not fit architecture={name!r}: {what}")

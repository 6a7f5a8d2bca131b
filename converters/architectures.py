"""The networks of the GhostFaceNets paper, built as graphs: GhostFaceNetV1 and GhostFaceNetV2.

Papers: K. Han et al., "GhostNet: More Features from Cheap Operations", CVPR 2020 (Ghost module, figure 2b; bottleneck,
figure 3; table 1); Y. Tang et al., "GhostNetV2: Enhance Cheap Operation with Long-Range Attention", NeurIPS 2022 (DFC
attention, figure 4); M. Alansari et al., "GhostFaceNets: Lightweight Face Recognition Model From Cheap Operations",
IEEE Access 2023 (both with PReLU and a global depthwise convolution as head).

Upstream, HamadYA/GhostFaceNets, from which every number here is taken:

=======================  =============================================================================================
V1 backbone              ``backbones/ghost_model.py``: ``GhostNet``, ``ghost_bottleneck``, ``ghost_module``,
                         ``se_module``, ``_make_divisible``
V2 backbone              ``backbones/ghostv2.py``: ``GhostNetV2``, ``ghost_bottleneck``, ``ghost_module_multiply`` (DFC
                         attention), ``ghost_module``; it builds on leondgarse/keras_cv_attention_models,
                         ``attention_layers``: ``conv2d_no_bias``, ``depthwise_conv2d_no_bias`` (zero padding of half
                         the kernel on each side), ``se_module``, ``hard_sigmoid_torch``, ``make_divisible``
head, PReLU              ``GhostFaceNets.py``: ``buildin_models``, ``replace_ReLU_with_PReLU``
bias in the head         ``GhostFaceNets_with_Bias.py``: ``buildin_models``
=======================  =============================================================================================

Nodes have the names of upstream's layers and stand in the order in which upstream creates them. Keras numbers layers
without a name of their own in that order too, so that a file of weights alone can be laid onto the network. What Keras
has and a graph does not need is left out: zero padding layers (they are the ``pads`` of the convolution), reshapes of a
pooled vector, and the empty activation ``embedding``, whose name goes to ``pre_embedding``, as in a checkpoint read.
"""

from __future__ import annotations

import re
from collections import Counter
from math import pi, sqrt

import numpy as np
from numpy.typing import NDArray

from ghostface_edge.errors import OptionError

from .graph import (
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
    Mul,
    Node,
    PRelu,
    Relu,
    ResizeBilinear,
    Shape,
    Sigmoid,
    same_padding,
)

BOTTLENECKS = (
    (3, 16, 16, False, 1),
    (3, 48, 24, False, 2),
    (3, 72, 24, False, 1),
    (5, 72, 40, True, 2),
    (5, 120, 40, True, 1),
    (3, 240, 80, False, 2),
    (3, 200, 80, False, 1),
    (3, 184, 80, False, 1),
    (3, 184, 80, False, 1),
    (3, 480, 112, True, 1),
    (3, 672, 112, True, 1),
    (5, 672, 160, True, 2),
    (5, 960, 160, False, 1),
    (5, 960, 160, True, 1),
    (5, 960, 160, False, 1),
    (5, 960, 160, True, 1),
)
"""Kernel, expanded channels, channels, squeeze and excitation, stride; channels at width 1.

``GhostNet``: dwkernels, exps, outs, use_ses, strides; ``GhostNetV2``: kernel_sizes, first_ghost_channels, out_channels,
se_ratios, strides.
"""

STEM = 16
"""Channels of the first convolution at width 1."""

LAST_EXPANSION = {1: 512, 2: 960}
"""Expanded channels of the last bottleneck, and of the convolution behind it, by version: V1 has 512, not 960."""

PLAIN_BOTTLENECKS = 2
"""V2: bottlenecks at the start that have no DFC attention (``num_ghost_module_v1_stacks``)."""

SQUEEZE = 0.25
"""Channels between the two convolutions of squeeze and excitation, as a share (``se_ratio``)."""

HARD_SIGMOID = {1: (0.2, 0.5), 2: (1 / 6, 0.5)}
"""Slope and offset, by version: ``hard_sigmoid`` of Keras 2 in V1, ``hard_sigmoid_torch`` in V2."""

EPSILON = 1e-5
"""Of every batch normalisation (``training_scripts.ipynb``: bn_epsilon)."""

SIDE = 112
"""Pixels of a crop, down and across."""

WIDEST = 8.0
"""Upstream trains widths of 0.5 to 2; this only keeps a slip of the keyboard from filling the memory."""

_NAME = re.compile(r"ghostfacenet-v([12])-(\d{1,2}(?:\.\d{1,4})?)-([12])((?:-bias|-relu|-pointwise\d{1,4})*)", re.ASCII)


def architecture(name: str, *, seed: int = 0) -> Graph:
    """The network of this name, with random weights.

    Args:
        name: ``ghostfacenet-v1-1.3-2``: version, width, stride of the first convolution; then, where the network has
            them, ``-bias`` (in the head), ``-relu`` (instead of PReLU), ``-pointwise512`` (an extra convolution of so
            many channels before the head), as in ``ghostfacenet-v1-1.3-1-bias``.
        seed: Of the weights.

    Raises:
        OptionError: There is no network of this name.
    """
    match = _NAME.fullmatch(name)
    if match is None:
        raise OptionError(
            f"architecture {name!r} is not known; a name is ghostfacenet-VERSION-WIDTH-STRIDE with version v1 or v2 "
            "and stride 1 or 2, such as ghostfacenet-v1-1.3-2, and then -bias, -relu or -pointwise512 where the "
            "network has a bias in its head, ReLU instead of PReLU, or an extra pointwise convolution"
        )
    version, width, stride, variants = match.groups()
    pointwise = re.search(r"-pointwise(\d+)", variants)
    return ghostfacenet(
        int(version),
        float(width),
        int(stride),
        head_bias="-bias" in variants,
        prelu="-relu" not in variants,
        pointwise=int(pointwise[1]) if pointwise else 0,
        seed=seed,
    )


def ghostfacenet(
    version: int,
    width: float,
    stride: int,
    *,
    head_bias: bool = False,
    prelu: bool = True,
    pointwise: int = 0,
    embedding: int = 512,
    seed: int = 0,
) -> Graph:
    """A GhostFaceNet with random weights, for RGB crops of 112 x 112.

    The weights are not trained, but the network is sane: every batch normalisation holds about the statistics that its
    input has, so that the numbers keep their size from the first layer to the last, and PReLU slopes lie around 0.25.

    Args:
        version: 1 or 2.
        width: Factor of all channel counts.
        stride: Of the first convolution: 1 or 2.
        head_bias: Whether the last convolution has a bias (``use_bias``).
        prelu: PReLU for every activation; else ReLU.
        pointwise: Channels of an extra 1 x 1 convolution before the head; 0 for none. Upstream's
            ``add_pointwise_conv=True`` is 512, and -1 half of the channels before it. A ReLU follows it
            (``pointwise_conv_act``), which :func:`replace_ReLU_with_PReLU` makes a PReLU as all others.
        embedding: Length of the embedding (``emb_shape``).
        seed: Of the weights.

    Returns:
        The network from the node ``input`` to the output ``embedding``, batch normalisations not folded.

    Raises:
        OptionError: A version, stride, width or number of channels outside its range.
    """
    _require(version in (1, 2), f"version={version}: GhostFaceNets have version 1 or 2")
    _require(0 < width <= WIDEST, f"width={width}: a width is above 0 and at most {WIDEST:g}")
    _require(stride in (1, 2), f"stride={stride}: the first convolution has stride 1 or 2")
    _require(0 <= pointwise <= 9999, f"pointwise={pointwise}: the extra convolution has 0 to 9999 channels")
    _require(1 <= embedding <= 9999, f"embedding={embedding}: an embedding has 1 to 9999 values")
    builder = _Builder(version, width, stride, prelu=prelu, seed=seed)
    builder.backbone()
    return builder.head(head_bias, pointwise, embedding)


def multiple_of_4(channels: float) -> int:
    """The nearest multiple of 4, but at least 4 and at least 90 % of the wish (``_make_divisible``)."""
    nearest = max(4, int(channels + 2) // 4 * 4)
    return nearest + 4 if nearest < 0.9 * channels else nearest


def _require(condition: bool, what: str) -> None:
    if not condition:
        raise OptionError(what)


class _Builder:
    """Builds one network; its state is the nodes made so far, with the shape and moments of their tensors."""

    def __init__(self, version: int, width: float, stride: int, *, prelu: bool, seed: int) -> None:
        self._version = version
        self._width = width
        self._stride = stride
        self._prelu = prelu
        self._random = np.random.default_rng(seed)
        self._nodes: list[Node] = []
        self._shapes: dict[str, Shape] = {}
        self._moments: dict[str, _Moments] = {}
        self._numbers: Counter[str] = Counter()
        self._last = ""

    def backbone(self) -> None:
        x = self._append(Input("input", (), SIDE, SIDE, 3))
        x = self._conv("stem_", x, self._channels(STEM), kernel=3, stride=self._stride)
        x = self._activation("stem_", self._norm("stem_", x))
        for number, (kernel, expanded, channels, excite, stride) in enumerate(BOTTLENECKS, 1):
            if number == len(BOTTLENECKS):
                expanded = LAST_EXPANSION[self._version]
            sizes = (self._channels(expanded), self._channels(channels))
            attend = self._version == 2 and number > PLAIN_BOTTLENECKS
            x = self._bottleneck(f"stack{number}_", x, sizes, kernel, stride, excite=excite, attend=attend)
        x = self._conv("pre_", x, self._channels(LAST_EXPANSION[self._version]))
        self._last = self._activation("pre_", self._norm("pre_", x))

    def head(self, bias: bool, pointwise: int, embedding: int) -> Graph:
        """Global depthwise convolution: ``buildin_models`` with ``output_layer="GDC"``."""
        x = self._last
        if pointwise:
            x = self._append(self._dense("pw_conv", x, pointwise))
            x = self._append(self._batch_norm("pw_bn", x))
            x = self._append(self._activated("pw_prelu" if self._prelu else "pw_relu", x))
        height, width, channels = self._shapes[x]
        kernel = self._kernel(height, width, channels, 1)
        x = self._append(Conv("GDC_dw", (x,), kernel, None, depthwise=True))
        x = self._append(self._batch_norm("GDC_batchnorm", x))
        x = self._append(self._dense("GDC_conv", x, embedding, bias=bias))
        x = self._append(Flatten("GDC_flatten", (x,)))
        x = self._append(self._batch_norm("embedding", x))
        return Graph(tuple(self._nodes), (x,))

    # -- the parts of the papers

    def _bottleneck(
        self, name: str, x: str, sizes: tuple[int, int], kernel: int, stride: int, *, excite: bool, attend: bool
    ) -> str:
        """Expand, shrink the picture where asked, project; a shortcut beside it, which V2 creates first and V1 last."""
        expanded, channels = sizes
        changes = stride > 1 or self._shapes[x][2] != channels
        shortcut = x
        if changes and self._version == 2:
            shortcut = self._shortcut(name, x, channels, kernel, stride)
        y = self._ghost(f"{name}ghost_1_", x, expanded, activate=True)
        if attend:
            y = self._append(Mul(self._auto("multiply"), (self._dfc(f"{name}ghost_1_short_", x, expanded), y)))
        if stride > 1:
            y = self._norm(f"{name}down_", self._depthwise(f"{name}down_", y, (kernel, kernel), stride))
        if excite:
            y = self._excite(f"{name}se_", y)
        y = self._ghost(f"{name}ghost_2_", y, channels, activate=False)
        if changes and self._version == 1:
            shortcut = self._shortcut(name, x, channels, kernel, stride)
        return self._append(Add(self._name(f"{name}output", "add"), (shortcut, y)))

    def _shortcut(self, name: str, x: str, channels: int, kernel: int, stride: int) -> str:
        x = self._depthwise(f"{name}short_1_", x, (kernel, kernel), stride)
        x = self._norm(f"{name}short_1_", x)
        return self._norm(f"{name}short_2_", self._conv(f"{name}short_2_", x, channels))

    def _ghost(self, name: str, x: str, channels: int, *, activate: bool) -> str:
        """Half of the channels are convolved, the other half is a cheap function of them."""
        x = self._norm(f"{name}prim_", self._conv(f"{name}prim_", x, channels // 2))
        primary = self._activation(f"{name}prim_", x) if activate else x
        x = self._norm(f"{name}cheap_", self._depthwise(f"{name}cheap_", primary, (3, 3)))
        cheap = self._activation(f"{name}cheap_", x) if activate else x
        return self._append(Concat(self._auto("concatenate"), (primary, cheap)))

    def _dfc(self, name: str, x: str, channels: int) -> str:
        """Decoupled fully connected attention: at half the size, along rows, then along columns."""
        height, width, _ = self._shapes[x]
        x = self._append(AveragePool(self._auto("average_pooling2d"), (x,), 2))
        x = self._norm(f"{name}1_", self._conv(f"{name}1_", x, channels))
        x = self._norm(f"{name}2_", self._depthwise(f"{name}2_", x, (1, 5)))
        x = self._norm(f"{name}3_", self._depthwise(f"{name}3_", x, (5, 1)))
        x = self._append(Sigmoid(f"{name}sigmoid", (x,)))
        return self._append(ResizeBilinear(self._auto("tf.image.resize"), (x,), height, width))

    def _excite(self, name: str, x: str) -> str:
        """Squeeze and excitation."""
        channels = self._shapes[x][2]
        pool = "global_average_pooling2d" if self._version == 1 else "tf.math.reduce_mean"
        y = self._append(GlobalAveragePool(self._auto(pool), (x,)))
        y = self._conv(f"{name}1_", y, multiple_of_4(channels * SQUEEZE), bias=True)
        y = self._conv(f"{name}2_", self._activation(name, y), channels, bias=True)
        slope, offset = HARD_SIGMOID[self._version]
        y = self._append(HardSigmoid(self._name(f"{name}hard_sigmoid_torch", "activation"), (y,), slope, offset))
        return self._append(Mul(self._name(f"{name}out", "multiply"), (x, y)))

    # -- layers, named as Keras names them

    def _channels(self, at_width_1: int) -> int:
        return multiple_of_4(at_width_1 * self._width)

    def _auto(self, kind: str) -> str:
        """The name that Keras gives to the next layer of a kind: conv2d, conv2d_1, conv2d_2, ..."""
        number = self._numbers[kind]
        self._numbers[kind] += 1
        return f"{kind}_{number}" if number else kind

    def _name(self, own: str, kind: str) -> str:
        """The name of a layer that upstream names in V2 and leaves to Keras in V1."""
        return own if self._version == 2 else self._auto(kind)

    def _append(self, node: Node) -> str:
        self._shapes[node.name] = node.shape(*(self._shapes[name] for name in node.inputs))
        self._moments[node.name] = _moments(node, [self._moments[name] for name in node.inputs])
        self._nodes.append(node)
        return node.name

    def _conv(self, name: str, x: str, channels: int, kernel: int = 1, stride: int = 1, *, bias: bool = False) -> str:
        return self._append(self._dense(self._name(f"{name}conv", "conv2d"), x, channels, kernel, stride, bias=bias))

    def _dense(self, name: str, x: str, channels: int, kernel: int = 1, stride: int = 1, *, bias: bool = False) -> Conv:
        weights = self._kernel(kernel, kernel, self._shapes[x][2], channels)
        biases = self._normal(channels, 0.0, 0.1) if bias else None
        return Conv(name, (x,), weights, biases, (stride, stride), self._pads(x, (kernel, kernel), stride))

    def _depthwise(self, name: str, x: str, kernel: tuple[int, int], stride: int = 1) -> str:
        weights = self._kernel(*kernel, self._shapes[x][2], 1)
        layer = self._name(f"{name}dw_conv", "depthwise_conv2d")
        pads = self._pads(x, kernel, stride)
        return self._append(Conv(layer, (x,), weights, None, (stride, stride), pads, depthwise=True))

    def _pads(self, x: str, kernel: tuple[int, int], stride: int) -> tuple[int, int, int, int]:
        """Zeros that keep the size at stride 1: V1 by TensorFlow's SAME, V2 half of the kernel on each side."""
        if self._version == 2:
            return (kernel[0] // 2, kernel[1] // 2) * 2
        top, bottom = same_padding(self._shapes[x][0], kernel[0], stride)
        left, right = same_padding(self._shapes[x][1], kernel[1], stride)
        return (top, left, bottom, right)

    def _norm(self, name: str, x: str) -> str:
        return self._append(self._batch_norm(self._name(f"{name}bn", "batch_normalization"), x))

    def _batch_norm(self, name: str, x: str) -> BatchNorm:
        """Statistics of the input, off by as much as another data set's would be."""
        mean, variance = self._moments[x]
        channels = len(mean)
        return BatchNorm(
            name,
            (x,),
            gamma=self._random.uniform(0.5, 1.5, channels).astype(np.float32),
            beta=self._normal(channels, 0.0, 0.2),
            mean=(mean + self._random.normal(0.0, 0.1, channels) * np.sqrt(variance)).astype(np.float32),
            variance=(variance * self._random.uniform(0.8, 1.25, channels)).astype(np.float32),
            epsilon=EPSILON,
        )

    def _activation(self, name: str, x: str) -> str:
        return self._append(self._activated(self._name(f"{name}{'prelu' if self._prelu else 'relu'}", "activation"), x))

    def _activated(self, name: str, x: str) -> Node:
        if self._prelu:
            return PRelu(name, (x,), self._normal(self._shapes[x][2], 0.25, 0.1))
        return Relu(name, (x,))

    def _kernel(self, rows: int, columns: int, inputs: int, outputs: int) -> NDArray[np.float32]:
        """Weights that keep the size of the numbers; one output is depthwise."""
        summed = rows * columns * (inputs if outputs > 1 else 1)
        return self._normal((rows, columns, inputs, outputs), 0.0, sqrt(1 / summed))

    def _normal(self, shape: int | tuple[int, ...], mean: float, deviation: float) -> NDArray[np.float32]:
        return self._random.normal(mean, deviation, shape).astype(np.float32)


_Moments = tuple[NDArray[np.float64], NDArray[np.float64]]
"""Mean and variance of a tensor, each (channels,)."""


def _moments(node: Node, inputs: list[_Moments]) -> _Moments:
    """What a node makes of mean and variance, were all values independent and normal.

    They are not, so this is an estimate; random weights of mean zero make it right on the average over the channels.
    """
    if isinstance(node, Input):
        return np.zeros(node.channels), np.full(node.channels, 0.25)  # a photo, in -1..1
    mean, variance = inputs[0]
    if isinstance(node, Conv):
        kernel = node.kernel.astype(np.float64)
        weights = np.sum(kernel, axis=(0, 1)), np.sum(kernel**2, axis=(0, 1))
        if node.depthwise:
            return weights[0][:, 0] * mean, weights[1][:, 0] * variance
        bias = 0.0 if node.bias is None else node.bias.astype(np.float64)
        return mean @ weights[0] + bias, variance @ weights[1]
    if isinstance(node, BatchNorm):
        deviation = np.sqrt(node.variance.astype(np.float64) + node.epsilon)
        factor = node.gamma / deviation
        return (mean - node.mean) * factor + node.beta, variance * factor**2
    if isinstance(node, (PRelu, Relu)):  # exact for a mean of zero
        slope = node.slope.astype(np.float64) if isinstance(node, PRelu) else np.zeros_like(mean)
        centre = mean * (1 + slope) / 2 + (1 - slope) * np.sqrt(variance / (2 * pi))
        return centre, (1 + slope**2) / 2 * (variance + mean**2) - centre**2
    if isinstance(node, Sigmoid):  # as steep as at the mean
        value = 0.5 + 0.5 * np.tanh(0.5 * mean)
        return value, variance * (value * (1 - value)) ** 2
    if isinstance(node, HardSigmoid):
        return np.clip(node.slope * mean + node.offset, 0.0, 1.0), variance * node.slope**2
    if isinstance(node, GlobalAveragePool):
        return mean, np.zeros_like(variance)
    if isinstance(node, Concat):
        return np.concatenate([item[0] for item in inputs]), np.concatenate([item[1] for item in inputs])
    if isinstance(node, Add):
        return mean + inputs[1][0], variance + inputs[1][1]
    if isinstance(node, Mul):
        other, spread = inputs[1]
        return mean * other, variance * (spread + other**2) + spread * mean**2
    return mean, variance  # resized, pooled by squares or flattened: much as before

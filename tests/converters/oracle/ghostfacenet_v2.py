"""GhostFaceNetV2 in Keras 2, built from the papers and shaped as upstream's code shapes it. Needs tf_keras.

Paper: Y. Tang et al., "GhostNetV2: Enhance Cheap Operation with Long-Range Attention", NeurIPS 2022. Upstream:
HamadYA/GhostFaceNets, ``backbones/ghostv2.py``, which builds on keras_cv_attention_models (Apache 2.0),
``attention_layers``; the head is V1's. Layers have upstream's names, and what upstream leaves to TensorFlow functions
(the mean of squeeze and excitation, the resizing) stays a function, which Keras wraps in a layer of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import ghostfacenet_v1
import tensorflow as tf
import tf_keras
from ghostfacenet_v1 import INITIALIZER, REGULARIZER, multiple_of_4
from tf_keras import layers

STACKS = tuple(
    zip(
        (3, 3, 3, 5, 5, 3, 3, 3, 3, 3, 3, 5, 5, 5, 5, 5),
        (16, 48, 72, 72, 120, 240, 200, 184, 184, 480, 672, 672, 960, 960, 960, 960),
        (16, 24, 24, 40, 40, 80, 80, 80, 80, 112, 112, 160, 160, 160, 160, 160),
        (0, 0, 0, 0.25, 0.25, 0, 0, 0, 0, 0.25, 0.25, 0.25, 0, 0.25, 0, 0.25),
        (1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1, 1, 1, 1),
    )
)
"""Kernel, expanded channels, channels, share that squeeze and excitation keeps, stride: GhostNetV2, table 9."""

WITHOUT_ATTENTION = 2


@tf_keras.saving.register_keras_serializable(package="kecamCommon")
def hard_sigmoid_torch(x: tf.Tensor) -> tf.Tensor:
    """PyTorch's hard sigmoid, under the name that upstream's files give it."""
    return tf.clip_by_value(x / 6 + 0.5, 0, 1)


@dataclass(frozen=True)
class Network(ghostfacenet_v1.Network):
    """What distinguishes one GhostFaceNetV2 from another; the same as for V1."""

    def build(self) -> tf_keras.Model:
        """A new model of this network, uninitialised."""
        tf_keras.backend.clear_session()
        tf_keras.mixed_precision.set_global_policy(self.policy)
        try:
            return _Builder(self).model()
        finally:
            tf_keras.mixed_precision.set_global_policy("float32")


class _Builder(ghostfacenet_v1.Builder):
    """Only the model around the backbone and the head are V1's."""

    def _backbone(self, x: tf.Tensor) -> tf.Tensor:
        x = self._convolved(x, self._channels(16), 3, self._network.stride, name="stem_")
        x = self._activated(self._normalised(x, "stem_"), "stem_")
        for number, (kernel, expanded, out, share, stride) in enumerate(STACKS):
            sizes = self._channels(expanded), self._channels(out)
            attend = number >= WITHOUT_ATTENTION
            x = self._stack(x, kernel, *sizes, share, stride, attend, f"stack{number + 1}_")
        x = self._normalised(self._convolved(x, self._channels(960), name="pre_"), "pre_")
        return self._activated(x, "pre_")

    def _stack(
        self, x: tf.Tensor, kernel: int, expanded: int, out: int, share: float, stride: int, attend: bool, name: str
    ) -> tf.Tensor:
        shortcut = x
        if stride > 1 or x.shape[-1] != out:
            shortcut = self._depthwise_padded(x, (kernel, kernel), stride, name=f"{name}short_1_")
            shortcut = self._normalised(shortcut, f"{name}short_1_")
            shortcut = self._normalised(self._convolved(shortcut, out, name=f"{name}short_2_"), f"{name}short_2_")
        y = self._doubled(x, expanded, True, f"{name}ghost_1_")
        if attend:
            y = layers.Multiply()([self._attention(x, expanded, f"{name}ghost_1_short_"), y])
        if stride > 1:
            y = self._depthwise_padded(y, (kernel, kernel), stride, name=f"{name}down_")
            y = self._normalised(y, f"{name}down_")
        if share:
            y = self._squeezed(y, share, f"{name}se_")
        y = self._doubled(y, out, False, f"{name}ghost_2_")
        return layers.Add(name=f"{name}output")([shortcut, y])

    def _doubled(self, x: tf.Tensor, channels: int, activate: bool, name: str) -> tf.Tensor:
        primary = self._normalised(self._convolved(x, channels // 2, name=f"{name}prim_"), f"{name}prim_")
        if activate:
            primary = self._activated(primary, f"{name}prim_")
        cheap = self._normalised(self._depthwise_padded(primary, (3, 3), name=f"{name}cheap_"), f"{name}cheap_")
        if activate:
            cheap = self._activated(cheap, f"{name}cheap_")
        return layers.Concatenate()([primary, cheap])

    def _attention(self, x: tf.Tensor, channels: int, name: str) -> tf.Tensor:
        """Decoupled fully connected attention, figure 4, with 1 x 5 and 5 x 1 kernels at half the size."""
        y = layers.AvgPool2D(pool_size=2, strides=2)(x)
        y = self._normalised(self._convolved(y, channels, name=f"{name}1_"), f"{name}1_")
        y = self._normalised(self._depthwise_padded(y, (1, 5), name=f"{name}2_"), f"{name}2_")
        y = self._normalised(self._depthwise_padded(y, (5, 1), name=f"{name}3_"), f"{name}3_")
        y = layers.Activation("sigmoid", name=f"{name}sigmoid")(y)
        return tf.image.resize(y, tf.shape(x)[1:-1], antialias=False, method="bilinear")

    def _squeezed(self, x: tf.Tensor, share: float, name: str) -> tf.Tensor:
        channels = x.shape[-1]
        y = tf.reduce_mean(x, [1, 2], keepdims=True)
        y = self._activated(self._convolved(y, multiple_of_4(channels * share), bias=True, name=f"{name}1_"), name)
        y = self._convolved(y, channels, bias=True, name=f"{name}2_")
        y = layers.Activation(hard_sigmoid_torch, name=f"{name}hard_sigmoid_torch")(y)
        return layers.Multiply(name=f"{name}out")([x, y])

    def _convolved(
        self, x: tf.Tensor, filters: int, kernel: int = 1, stride: int = 1, bias: bool = False, *, name: str
    ) -> tf.Tensor:
        if kernel > 1:
            x = layers.ZeroPadding2D(kernel // 2, name=f"{name}pad")(x)
        options = {"kernel_initializer": INITIALIZER, "kernel_regularizer": REGULARIZER, "name": f"{name}conv"}
        return layers.Conv2D(filters, kernel, stride, "valid", use_bias=bias, **options)(x)

    def _depthwise_padded(self, x: tf.Tensor, kernel: tuple[int, int], stride: int = 1, *, name: str) -> tf.Tensor:
        x = layers.ZeroPadding2D((kernel[0] // 2, kernel[1] // 2), name=f"{name}dw_pad")(x)
        options: dict[str, Any] = {"depthwise_initializer": INITIALIZER, "depthwise_regularizer": REGULARIZER}
        return layers.DepthwiseConv2D(kernel, stride, "valid", use_bias=False, name=f"{name}dw_conv", **options)(x)

    def _normalised(self, x: tf.Tensor, name: str) -> tf.Tensor:
        return layers.BatchNormalization(momentum=0.9, epsilon=self._network.epsilon, name=f"{name}bn")(x)

    def _activated(self, x: tf.Tensor, name: str) -> tf.Tensor:
        slope = tf_keras.initializers.Constant(0.25)
        return layers.PReLU(alpha_initializer=slope, shared_axes=[1, 2], name=f"{name}prelu")(x)

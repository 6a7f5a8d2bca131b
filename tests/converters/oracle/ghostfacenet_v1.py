"""GhostFaceNetV1 in Keras 2, built from the papers and shaped as upstream's code shapes it. Needs tf_keras.

Papers: K. Han et al., "GhostNet: More Features from Cheap Operations", CVPR 2020; M. Alansari et al., "GhostFaceNets:
Lightweight Face Recognition Model From Cheap Operations", IEEE Access 2023. Upstream: HamadYA/GhostFaceNets,
``backbones/ghost_model.py`` (backbone), ``GhostFaceNets.py`` (head, PReLU, regularisers), ``models.py`` (ArcFace head).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras
from tf_keras import layers

BOTTLENECKS = (
    # kernel, expanded channels, channels, squeeze and excitation, stride
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
    (5, 512, 160, True, 1),
)
"""GhostNet, table 1, at width 1. Upstream expands the last one to 512 channels, not 960, and so does the convolution
after it; it squeezes and excites the bottlenecks marked here."""

INITIALIZER = tf_keras.initializers.VarianceScaling(2.0, "fan_out", "truncated_normal")
REGULARIZER = tf_keras.regularizers.L2(2.5e-4)
"""Both concern training alone, but are stored in every checkpoint, and a reader must pass over them."""


@dataclass(frozen=True)
class Network:
    """What distinguishes one GhostFaceNetV1 from another.

    Attributes:
        width: Factor of all channel counts.
        stride: Of the first convolution: 1 or 2.
        policy: Number format of training, which is stored in the checkpoint.
        epsilon: Of all batch normalisations; upstream trains with 1e-5, Keras' own default is 1e-3.
        dropout: Share that is dropped before the embedding; 0 for no such layer.
        bias: Whether the convolution of the head has one (upstream ``GhostFaceNets_with_Bias.py``).
        scale: Whether the last batch normalisation has gamma.
        classes: People of the ArcFace training head with its optimizer; 0 for a network without one.
    """

    width: float
    stride: int
    policy: str = "mixed_float16"
    epsilon: float = 1e-5
    dropout: float = 0.0
    bias: bool = False
    scale: bool = True
    classes: int = 0

    def build(self) -> tf_keras.Model:
        """A new model of this network, uninitialised."""
        tf_keras.backend.clear_session()
        tf_keras.mixed_precision.set_global_policy(self.policy)
        try:
            return Builder(self).model()
        finally:
            tf_keras.mixed_precision.set_global_policy("float32")


@tf_keras.saving.register_keras_serializable(package="keras_insightface")
class NormDense(layers.Layer):
    """ArcFace's logits: cosines between embeddings and one vector per person."""

    def __init__(self, units: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.units = units

    def build(self, input_shape: Any) -> None:
        self.w = self.add_weight(name="norm_dense_w", shape=(input_shape[-1], self.units))

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        return tf.nn.l2_normalize(inputs, axis=1) @ tf.nn.l2_normalize(self.w, axis=0)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "units": self.units}


class Builder:
    """Builds one model; another backbone may take the place of V1's."""

    def __init__(self, network: Network) -> None:
        self._network = network

    def model(self) -> tf_keras.Model:
        picture = layers.Input((112, 112, 3))
        embedding = self._head(self._backbone(picture))
        if not self._network.classes:
            return tf_keras.Model(picture, embedding, name="GhostNet")
        logits = NormDense(self._network.classes, name="arcface", dtype="float32")(embedding)
        model = tf_keras.Model(picture, logits, name="GhostNet")
        model.compile(tf_keras.optimizers.SGD(0.1, momentum=0.9), loss="mse")
        model.optimizer.build(model.trainable_variables)
        return model

    def _backbone(self, x: tf.Tensor) -> tf.Tensor:
        channels = self._channels(16)
        x = self._prelu(self._normalise(self._conv(x, channels, 3, self._network.stride)))
        for kernel, expanded, out, excite, stride in BOTTLENECKS:
            x = self._bottleneck(x, kernel, self._channels(expanded), self._channels(out), excite, stride)
        return self._prelu(self._normalise(self._conv(x, self._channels(512), padding="valid")))

    def _head(self, x: tf.Tensor) -> tf.Tensor:
        """Global depthwise convolution, as upstream's ``output_layer="GDC"``."""
        x = self._depthwise(x, x.shape[1], padding="valid", name="GDC_dw")
        x = self._normalise(x, name="GDC_batchnorm")
        if self._network.dropout:
            x = layers.Dropout(self._network.dropout)(x)
        x = self._conv(x, 512, padding="valid", bias=self._network.bias, name="GDC_conv")
        x = self._normalise(layers.Flatten(name="GDC_flatten")(x), name="pre_embedding", scale=self._network.scale)
        return layers.Activation("linear", dtype="float32", name="embedding")(x)

    def _bottleneck(self, x: tf.Tensor, kernel: int, expanded: int, out: int, excite: bool, stride: int) -> tf.Tensor:
        """GhostNet, figure 3: expand, shrink the picture where asked, project; a shortcut beside it all."""
        y = self._ghost(x, expanded, activate=True)
        if stride > 1:
            y = self._normalise(self._depthwise(y, kernel, stride))
        if excite:
            y = self._excite(y)
        y = self._ghost(y, out, activate=False)
        if stride > 1 or x.shape[-1] != out:
            x = self._normalise(self._depthwise(x, kernel, stride))
            x = self._normalise(self._conv(x, out, padding="valid"))
        return layers.Add()([x, y])

    def _ghost(self, x: tf.Tensor, channels: int, activate: bool) -> tf.Tensor:
        """GhostNet, figure 2b: half of the channels are convolved, the other half is a cheap function of them."""
        activation = self._prelu if activate else lambda tensor: tensor
        primary = activation(self._normalise(self._conv(x, channels // 2)))
        cheap = activation(self._normalise(self._depthwise(primary, 3)))
        return layers.Concatenate()([primary, cheap])

    def _excite(self, x: tf.Tensor) -> tf.Tensor:
        """Squeeze and excitation to a quarter; Keras 2 means clip(0.2 x + 0.5, 0, 1) by ``hard_sigmoid``."""
        channels = x.shape[-1]
        y = layers.Reshape((1, 1, channels))(layers.GlobalAveragePooling2D()(x))
        y = self._prelu(self._conv(y, multiple_of_4(channels / 4), padding="valid", bias=True))
        y = self._conv(y, channels, padding="valid", bias=True)
        return layers.Multiply()([x, layers.Activation("hard_sigmoid")(y)])

    def _channels(self, at_width_1: int) -> int:
        return multiple_of_4(at_width_1 * self._network.width)

    def _conv(
        self,
        x: tf.Tensor,
        filters: int,
        kernel: int = 1,
        stride: int = 1,
        padding: str = "same",
        bias: bool = False,
        name: str | None = None,
    ) -> tf.Tensor:
        options = {"kernel_initializer": INITIALIZER, "kernel_regularizer": REGULARIZER, "name": name}
        return layers.Conv2D(filters, kernel, stride, padding, use_bias=bias, **options)(x)

    def _depthwise(
        self, x: tf.Tensor, kernel: int, stride: int = 1, padding: str = "same", name: str | None = None
    ) -> tf.Tensor:
        options = {"depthwise_initializer": INITIALIZER, "depthwise_regularizer": REGULARIZER, "name": name}
        return layers.DepthwiseConv2D(kernel, stride, padding, use_bias=False, **options)(x)

    def _normalise(self, x: tf.Tensor, name: str | None = None, scale: bool = True) -> tf.Tensor:
        return layers.BatchNormalization(momentum=0.9, epsilon=self._network.epsilon, scale=scale, name=name)(x)

    def _prelu(self, x: tf.Tensor) -> tf.Tensor:
        return layers.PReLU(alpha_initializer=tf_keras.initializers.Constant(0.25), shared_axes=[1, 2])(x)


def multiple_of_4(channels: float) -> int:
    """The nearest multiple of 4, but at least 4 and at least 90 % of the wish."""
    nearest = max(4, int(channels + 2) // 4 * 4)
    return nearest + 4 if nearest < 0.9 * channels else nearest


def randomise(model: tf_keras.Model, rng: np.random.Generator) -> None:
    """Random weights of every kind, spread as widely as in trained checkpoints; no statistics yet.

    The slopes of the official W0.5-S2 run from -16 to 16, and 57 % of them are negative.
    """
    for weight in model.weights:
        kind = weight.name.rsplit("/", 1)[-1].split(":")[0]
        shape = tuple(weight.shape)
        if kind in ("kernel", "depthwise_kernel"):
            inputs = np.prod(shape[:2] if kind == "depthwise_kernel" else shape[:3])
            value = rng.normal(0, np.sqrt(2 / inputs), shape)
        elif kind == "gamma":
            value = rng.uniform(0.5, 1.5, shape) * rng.choice([-1, 1], shape)
        elif kind == "alpha":
            value = rng.normal(0, 2, shape)
            value[..., :4] = 1, -1, 0, 1e-7  # where the forms of a PReLU meet
        elif kind in ("beta", "bias"):
            value = rng.normal(0, 1, shape)
        elif kind == "norm_dense_w":
            value = rng.normal(0, 0.05, shape)
        else:
            continue
        weight.assign(value.astype(np.float32))


def settle(model: tf_keras.Model, pictures: np.ndarray, rng: np.random.Generator) -> None:
    """Statistics of every batch normalisation from pictures, and off them by as much as another data set would be.

    Without this the numbers of a random deep network explode or vanish.
    """
    normalisations = [layer for layer in model.layers if isinstance(layer, layers.BatchNormalization)]
    for layer in normalisations:
        layer.momentum = 0.0  # the moving statistics become those of this batch
    model(pictures, training=True)
    for layer in normalisations:
        mean, variance = layer.moving_mean.numpy(), layer.moving_variance.numpy()
        layer.moving_mean.assign(mean + rng.normal(0, 0.2, mean.shape) * np.sqrt(variance))
        layer.moving_variance.assign(variance * rng.uniform(0.5, 2, variance.shape))

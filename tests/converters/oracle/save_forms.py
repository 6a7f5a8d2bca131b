"""Saves one network in every form in which Keras saves one. Run with the interpreter that make_env.py made.

``save_forms.py KERAS FOLDER``, where KERAS is 2 (tf_keras) or 3: for each network NAME.h5, NAME.keras,
NAME.weights.h5, with Keras 2 also NAME_weights.h5, and NAME.npz with ``pictures`` and the ``embeddings`` of them.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

os.environ.update(
    CUDA_VISIBLE_DEVICES="", TF_CPP_MIN_LOG_LEVEL="3", TF_ENABLE_ONEDNN_OPTS="0", KERAS_BACKEND="tensorflow"
)


def every_layer(keras: Any, policy: str) -> Any:
    """A small network of every layer that is read, not only of those in GhostFaceNets."""
    layers = keras.layers
    keras.mixed_precision.set_global_policy(policy)
    picture = layers.Input((16, 16, 3))
    x = layers.ZeroPadding2D(((1, 0), (2, 1)), name="unequal_pad")(picture)
    x = layers.Conv2D(4, 3, 2, use_bias=False, kernel_regularizer=keras.regularizers.L2(1e-4))(x)
    x = layers.BatchNormalization(scale=False)(x)
    x = layers.PReLU(shared_axes=[1, 2], alpha_initializer=keras.initializers.Constant(0.3))(x)
    x = layers.ReLU(6.0)(layers.Conv2D(6, 3, padding="same", activation="relu6")(x))
    gate = layers.GlobalAveragePooling2D(keepdims=True)(x)
    gate = layers.Activation("hard_sigmoid")(layers.Conv2D(6, 1)(gate))
    half = layers.AveragePooling2D(3)(x)
    half = layers.Conv2D(6, 1, activation="sigmoid")(half)
    x = layers.Multiply()([layers.Resizing(*x.shape[1:3])(half), x])
    x = layers.Multiply()([x, gate])
    vector = layers.Reshape((1, 1, 6))(layers.GlobalAveragePooling2D()(x))
    x = layers.Add()([x, layers.Multiply()([x, vector])])
    x = layers.Concatenate()([x, layers.ReLU()(layers.DepthwiseConv2D(3, padding="same")(x))])
    x = layers.Dropout(0.4)(layers.DepthwiseConv2D(x.shape[1:3], use_bias=False)(x))
    x = layers.Flatten()(layers.Conv2D(5, 1)(layers.BatchNormalization(center=False)(x)))
    x = layers.BatchNormalization(epsilon=1e-4)(x)
    embedding = layers.Activation("linear", dtype="float32", name="embedding")(x)
    keras.mixed_precision.set_global_policy("float32")
    logits = layers.Activation("softmax", name="softmax")(layers.Dense(7, use_bias=False)(embedding))
    return keras.Model(picture, [embedding, logits])


def under_keras_3() -> Any:
    """Lets the builders, which are written for tf_keras, build with Keras 3."""
    import keras

    if not keras.__version__.startswith("3."):
        raise SystemExit(f"this is Keras {keras.__version__}, not 3")
    sys.modules.update({"tf_keras": keras, "tf_keras.layers": keras.layers})
    import ghostfacenet_v2

    def resize(x: Any, size: Any, method: str, antialias: bool) -> Any:
        return keras.ops.image.resize(x, size, interpolation=method, antialias=antialias)

    # Functions of TensorFlow on a network under construction were Keras 2; Keras 3 has operations of its own.
    ghostfacenet_v2.tf = SimpleNamespace(
        clip_by_value=keras.ops.clip,
        image=SimpleNamespace(resize=resize),
        reduce_mean=keras.ops.mean,
        shape=lambda x: x.shape,
        Tensor=Any,
    )
    return keras


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("keras", type=int, choices=[2, 3])
    parser.add_argument("folder", type=Path)
    arguments = parser.parse_args()
    if arguments.keras == 3:
        keras = under_keras_3()
    else:
        import tf_keras as keras
    import ghostfacenet_v1
    import ghostfacenet_v2

    keras.utils.set_random_seed(5)  # some kernels stay as Keras draws them
    rng = np.random.default_rng(5)
    policy = "mixed_float16"
    networks = {
        "every_layer": lambda policy: every_layer(keras, policy),
        "v1": lambda policy: ghostfacenet_v1.Network(0.5, 2, policy, classes=5).build(),
        "v2": lambda policy: ghostfacenet_v2.Network(0.5, 1, policy, dropout=0.2).build(),
    }
    for name, build in networks.items():
        model, twin = build(policy), build("float32")
        pictures = rng.normal(0, 0.5, (8, *twin.input_shape[1:])).astype(np.float32)
        ghostfacenet_v1.randomise(twin, rng)
        ghostfacenet_v1.settle(twin, pictures, rng)
        model.set_weights(twin.get_weights())
        path = arguments.folder / name
        model.save(f"{path}.h5")
        model.save(f"{path}.keras")
        model.save_weights(f"{path}.weights.h5")
        if arguments.keras == 2:
            model.save_weights(f"{path}_weights.h5")
        inner = keras.Model(twin.inputs, twin.get_layer("embedding").output)
        np.savez(f"{path}.npz", pictures=pictures[:2], embeddings=inner(pictures[:2], training=False))


if __name__ == "__main__":
    main()

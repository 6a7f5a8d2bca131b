"""What tf_keras makes of a checkpoint. Run with the interpreter that make_env.py made; nothing of our own is imported.

``run_oracle.py embed CHECKPOINT CROPS OUTPUT`` writes the embeddings of a ``.h5``;
``run_oracle.py build NETWORKS CROPS FOLDER`` writes random checkpoints and their embeddings.
"""

from __future__ import annotations

import argparse
import json
import os
import zlib
from pathlib import Path
from typing import Any

os.environ.update(
    TF_USE_LEGACY_KERAS="1",
    CUDA_VISIBLE_DEVICES="",
    TF_CPP_MIN_LOG_LEVEL="3",
    TF_ENABLE_ONEDNN_OPTS="0",  # plain float32 kernels, in one order of summation
)

import ghostfacenet_v1
import ghostfacenet_v2
import h5py
import numpy as np
import tf_keras
from ghostfacenet_v1 import randomise, settle

_BATCH = 50


def read(checkpoint: Path) -> tf_keras.Model:
    """The whole Keras 2 model in a ``.h5``, to be computed in float32 whatever policy it was saved with."""
    with h5py.File(checkpoint) as file:
        model = in_float32(file.attrs["model_config"])
    model.load_weights(checkpoint)
    return model


def build(network: ghostfacenet_v1.Network, crops: np.ndarray, checkpoint: Path) -> tf_keras.Model:
    """Save a random checkpoint in the way in which upstream's training saves one.

    Returns:
        What :func:`read` would make of the file.
    """
    rng = np.random.default_rng(zlib.crc32(checkpoint.name.encode()))
    tf_keras.utils.set_random_seed(0)  # dropout draws while the statistics are taken
    trained = network.build()
    model = in_float32(trained.to_json())
    randomise(model, rng)
    settle(model, normalise(crops), rng)
    trained.set_weights(model.get_weights())
    trained.save(checkpoint, save_format="h5")
    model.load_weights(checkpoint)
    return model


def embed(model: tf_keras.Model, crops: np.ndarray) -> dict[str, np.ndarray]:
    """Run a model.

    Args:
        model: Layers after the one named ``embedding`` are training's and left out.
        crops: (N, 112, 112, 3) uint8 RGB.

    Returns:
        ``embeddings``, (N, D) float32 as they leave the network, and ``parameters``, their number.
    """
    model = tf_keras.Model(model.inputs, model.get_layer("embedding").output)
    pictures = normalise(crops)
    batches = [model(pictures[start : start + _BATCH], training=False) for start in range(0, len(pictures), _BATCH)]
    return {"embeddings": np.concatenate(batches), "parameters": np.array(model.count_params())}


def in_float32(description: str) -> tf_keras.Model:
    """The model of a JSON description, with every layer's number format replaced by float32."""
    model = tf_keras.models.model_from_json(json.dumps(_without_policy(json.loads(description))))
    formats = {layer.compute_dtype for layer in model.layers} | {weight.dtype.name for weight in model.weights}
    if formats != {"float32"}:
        raise SystemExit(f"the model would compute in {formats}")
    return model


def normalise(crops: np.ndarray) -> np.ndarray:
    """Upstream ``data.py`` and ``evals.py``: (picture - 127.5) * 0.0078125."""
    return (crops.astype(np.float32) - 127.5) * 0.0078125


def _without_policy(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: "float32" if key == "dtype" else _without_policy(item) for key, item in value.items()}
    return [_without_policy(item) for item in value] if isinstance(value, list) else value


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("embed")
    command.add_argument("checkpoint", type=Path)
    command.add_argument("crops", type=Path, help=".npz with crops, (N, 112, 112, 3) uint8 RGB")
    command.add_argument("output", type=Path, help=".npz for embeddings and parameters")
    command = commands.add_parser("build")
    command.add_argument(
        "networks", type=Path, help="JSON: options of Network and its version, 1 or 2, by name of the checkpoint"
    )
    command.add_argument("crops", type=Path, help="as above")
    command.add_argument("folder", type=Path, help="where NAME.h5 and, as above, NAME.npz are written")
    arguments = parser.parse_args()
    if not tf_keras.__version__.startswith("2."):
        raise SystemExit(f"the oracle is Keras 2, and this is tf_keras {tf_keras.__version__}")
    with np.load(arguments.crops) as file:
        crops = file["crops"]
    if arguments.command == "embed":
        np.savez(arguments.output, **embed(read(arguments.checkpoint), crops))
        return
    versions = {1: ghostfacenet_v1.Network, 2: ghostfacenet_v2.Network}
    for name, options in json.loads(arguments.networks.read_text()).items():
        network = versions[options.pop("version", 1)](**options)
        model = build(network, crops, arguments.folder / f"{name}.h5")
        np.savez(arguments.folder / f"{name}.npz", **embed(model, crops))


if __name__ == "__main__":
    main()

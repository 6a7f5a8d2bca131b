"""Reads Keras' ``.h5`` files: whole models of Keras 2 (the official checkpoints) and Keras 3, and weights alone.

By the JSON description and the arrays in the file; nothing in it is executed and Keras is not needed.
"""

from __future__ import annotations

from contextlib import closing

from ghostface_edge.errors import CheckpointError, OptionError

from .checkpoint import Checkpoint, named_in_errors, plain_hard_sigmoid
from .graph import Graph
from .hdf5 import Hdf5File
from .keras_config import EMBEDDING, read_config
from .keras_layers import translate
from .keras_weights import NamedWeights
from .weights_only import lay_weights

__all__ = ["EMBEDDING", "read_h5", "read_keras_h5"]


def read_keras_h5(data: bytes, label: str) -> Graph:
    """The network of a whole model; see :func:`read_h5`."""
    return read_h5(data, label).graph


def read_h5(data: bytes, label: str, *, architecture: str | None = None, hard_sigmoid: str | None = None) -> Checkpoint:
    """Read a Keras ``.h5`` file.

    Args:
        data: The whole file.
        label: What to call the file in messages.
        architecture: For a file of weights alone, the network that they belong to; see
            :func:`~ghostface_edge.converters.architectures.architecture`.
        hard_sigmoid: ``keras2`` or ``keras3``: whose ``hard_sigmoid`` is meant, for a file that does not say which
            Keras wrote it.

    Returns:
        The network, as it is in the file.

    Raises:
        CheckpointError: Not such a file, a damaged one, or one that contradicts itself.
        UnsupportedLayerError: A layer that cannot be translated.
        OptionError: There is no such architecture, or an option that contradicts the file.
        RuntimeMissingError: The package h5py is not installed.
    """
    with named_in_errors(label), closing(Hdf5File(data)) as file:
        description = file.text("model_config")
        if description is not None:
            if architecture is not None:
                raise OptionError(
                    f"architecture={architecture!r} is for a file of weights only, and {label} describes its own "
                    "network: leave it out"
                )
            rule = plain_hard_sigmoid(file.text("keras_version"), hard_sigmoid)
            return translate(read_config(description, "model_config"), NamedWeights(file, "model_weights"), rule)
        if architecture is None:
            raise CheckpointError(
                "it holds no description of the network (model_config): a file of weights only, or no Keras file. For "
                "weights, say which network they belong to: architecture='ghostfacenet-v1-1.3-2' (--arch), by version, "
                "width and stride of the first convolution. Or save the whole model: model.save('model.h5')"
            )
        return lay_weights(file, architecture, hard_sigmoid)

"""The description of a network that Keras 2 and Keras 3 store as JSON, read as data: nothing in it is executed.

What a layer's class means is not decided here. A class that is not Keras' own is given the name under which it is
registered, or that of its module, so that it cannot pass for one.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from reprlib import repr as short
from typing import Any

from ghostface_edge.errors import CheckpointError, UnsupportedLayerError

EMBEDDING = "embedding"
"""Upstream's name of the last layer of the network; a training head stands behind it."""

_FUNCTIONAL = ("Functional", "Model", "SAMModel")
"""Classes of a model that is nothing but its layers. Upstream's SAMModel differs in training alone (``models.py``)."""

_MAX_KERNEL = 64
_TENSOR = "__keras_tensor__"
_PACKAGES = ("keras", "tf_keras")


@dataclass(frozen=True)
class Reference:
    """Another layer's output, as an argument of a call."""

    layer: str

    def __repr__(self) -> str:
        return f"<{self.layer}>"


@dataclass(frozen=True)
class KerasLayer:
    """One layer of the description, checked as far as every layer must be alike.

    Attributes:
        name: Its name.
        kind: Its class: ``Conv2D``; ``package>Name`` or ``module.Name`` for one that is not Keras' own.
        config: Its settings.
        inputs: The layers whose outputs it takes.
        arguments: What else its call is given, such as ``{"axis": [1, 2]}``.
        position: Such as "layer 3 of 26".
        number: How many layers of its class stand before it. Keras 3 numbers their weights so.
        calls: Its calls, not yet understood.
    """

    name: str
    kind: str
    config: Mapping[str, Any]
    position: str
    number: int
    calls: tuple[Any, ...]
    inputs: tuple[str, ...] = ()
    arguments: Mapping[str, Any] | None = None

    def unsupported(self, what: str) -> UnsupportedLayerError:
        """The error for a layer that cannot be translated."""
        inputs = ", ".join(self.inputs) or "none"
        return UnsupportedLayerError(f"layer {self.name!r} ({self.kind}, {self.position}, inputs: {inputs}) {what}")

    def damaged(self, what: str) -> CheckpointError:
        """The error for a layer that contradicts itself or its weights."""
        return CheckpointError(f"layer {self.name!r} ({self.kind}, {self.position}) {what}")

    def expect(self, **wanted: Any) -> None:
        """Refuse settings other than these; one that is absent has the wanted value."""
        for key, value in wanted.items():
            found = self.config.get(key, value)
            if found != value:
                raise self.unsupported(f"has {key}={short(found)}, and only {value!r} is supported")

    def pair(self, key: str) -> tuple[int, int]:
        """A setting of two small positive numbers."""
        value = self.config.get(key)
        good = isinstance(value, list) and len(value) == 2
        if not good or value is None or not all(type(item) is int and 0 < item < _MAX_KERNEL for item in value):
            raise self.damaged(f"has {key}={short(value)}, which is no pair of sizes")
        return value[0], value[1]

    def activation(self) -> str:
        """Name of the activation function, with its package where it is registered."""
        value = self.config.get("activation", "linear")
        if isinstance(value, dict) and value.get("class_name") == "function" and value.get("module") == "builtins":
            value = value.get("config")
        if not isinstance(value, str):
            raise self.unsupported("has an activation function of its own, which is not supported")
        return value

    def called(self) -> KerasLayer:
        """The same with its call understood.

        Raises:
            UnsupportedLayerError: It is called in a form that is not known, or more than once.
        """
        if len(self.calls) > 1:
            raise self.unsupported(f"is used {len(self.calls)} times, and shared layers are not supported")
        if not self.calls:
            return replace(self, arguments={})
        call = self.calls[0]
        return _keras_3_call(self, call) if isinstance(call, dict) else _keras_2_call(self, call)

    def takes(self) -> tuple[str, ...]:
        """All layers that it depends on."""
        others = (value.layer for value in (self.arguments or {}).values() if isinstance(value, Reference))
        return tuple(dict.fromkeys((*self.inputs, *others)))


@dataclass(frozen=True)
class KerasModel:
    """A description.

    Attributes:
        layers: By name, in the order of the file.
        output: The layer that gives the embedding.
    """

    layers: Mapping[str, KerasLayer]
    output: str

    def needed(self) -> list[KerasLayer]:
        """The layers that the output depends on, each after those that it takes, their calls understood.

        Raises:
            CheckpointError: A layer that is missing, or depends on itself.
            UnsupportedLayerError: A call that cannot be understood.
        """
        order: list[KerasLayer] = []
        understood: dict[str, KerasLayer] = {}
        done: set[str] = set()
        stack = [self.output]
        while stack:
            name = stack[-1]
            if name not in understood:
                understood[name] = self.layers[name].called()
            layer = understood[name]
            waiting = [other for other in layer.takes() if other not in done]
            for other in waiting:
                if other not in self.layers or other in understood:
                    raise layer.damaged(f"takes {other!r}, which is missing or depends on it")
            if waiting:
                stack.append(waiting[0])
            else:
                done.add(name)
                order.append(layer)
                stack.pop()
        return order


def read_config(text: str | bytes, where: str) -> KerasModel:
    """Read a description.

    Args:
        text: The JSON.
        where: What to call it in messages.

    Raises:
        CheckpointError: It is no description of a functional Keras model, is damaged or contradicts itself.
    """
    try:
        model = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"it is damaged: its {where} is not JSON ({error})") from error
    kind = model.get("class_name") if isinstance(model, dict) else None
    config = model.get("config") if isinstance(model, dict) else None
    if not isinstance(config, dict) or not isinstance(kind, str) or kind.rsplit(">", 1)[-1] not in _FUNCTIONAL:
        said = f", but a {short(kind)}" if isinstance(kind, str) else ""
        raise CheckpointError(f"its {where} describes no functional Keras model{said}")
    entries = config.get("layers")
    if not isinstance(entries, list) or not entries:
        raise CheckpointError(f"its {where} lists no layers")
    layers: dict[str, KerasLayer] = {}
    numbers: Counter[str] = Counter()
    for number, entry in enumerate(entries, 1):
        layer = _layer(entry, f"layer {number} of {len(entries)}", numbers)
        if layer.name in layers:
            raise CheckpointError(f"two layers are named {layer.name!r}")
        layers[layer.name] = layer
    return KerasModel(layers, _output(layers, config.get("output_layers")))


def _output(layers: dict[str, KerasLayer], outputs: Any) -> str:
    if EMBEDDING in layers:
        return EMBEDDING
    if isinstance(outputs, list) and outputs and isinstance(outputs[0], str):
        outputs = [outputs]  # Keras 3 writes a single output so
    if isinstance(outputs, list) and len(outputs) == 1 and isinstance(outputs[0], list) and outputs[0]:
        name = outputs[0][0]
        if isinstance(name, str) and name in layers:
            return name
    raise CheckpointError(f"the model has no layer {EMBEDDING!r} and no single output")


def _layer(entry: Any, position: str, numbers: Counter[str]) -> KerasLayer:
    config = entry.get("config") if isinstance(entry, dict) else None
    if not isinstance(config, dict):
        raise CheckpointError(f"{position} has no config")
    name = entry.get("name", config.get("name"))
    kind = entry.get("class_name")
    calls = entry.get("inbound_nodes")
    if not isinstance(name, str) or not isinstance(kind, str) or not isinstance(calls, list):
        raise CheckpointError(f"{position} has no name, class or inputs")
    kind = _full_kind(entry, kind)
    layer = KerasLayer(name, kind, config, position, numbers[kind], tuple(calls))
    numbers[kind] += 1
    return layer


def _full_kind(entry: dict[str, Any], kind: str) -> str:
    """The class, with its package or module where it is not Keras' own; an older file has the package in the class."""
    registered, module = entry.get("registered_name"), entry.get("module")
    if isinstance(registered, str) and registered != kind:
        return registered
    if isinstance(module, str) and module.split(".", 1)[0] not in _PACKAGES:
        return f"{module}.{kind}"
    return kind


def _keras_2_call(layer: KerasLayer, call: Any) -> KerasLayer:
    """[[name, node, tensor, arguments], ...], or for a function of TensorFlow [name, node, tensor, arguments]."""
    plain = isinstance(call, list)
    function = plain and bool(call) and isinstance(call[0], str)
    references = [call] if function else call
    names = []
    for reference in references if plain else [None]:
        if not isinstance(reference, list) or len(reference) not in (3, 4) or not isinstance(reference[0], str):
            raise layer.unsupported("takes its inputs in a form that is not supported")
        names.append(reference[0])
    layer = replace(layer, inputs=tuple(names), arguments={})
    for reference in references:
        arguments = reference[3] if len(reference) == 4 else {}
        known = isinstance(arguments, dict)
        found = {key: _keras_2_argument(layer, value) for key, value in arguments.items()} if known else {}
        found = {key: value for key, value in found.items() if not _changes_nothing(key, value)}
        if reference[1:3] != [0, 0] or not known or (found and not function):
            raise layer.unsupported("takes an output of a shared layer, or keyword arguments, which is not supported")
        layer = replace(layer, arguments=found)
    return layer


def _changes_nothing(argument: str, value: Any) -> bool:
    return value is None or (argument == "training" and value is False)


def _keras_2_argument(layer: KerasLayer, value: Any) -> Any:
    if isinstance(value, list) and len(value) == 3 and isinstance(value[0], str):
        if value[1:] != [0, 0]:
            raise layer.unsupported("takes an output of a shared layer, which is not supported")
        return Reference(value[0])
    return value


def _keras_3_call(layer: KerasLayer, call: dict[str, Any]) -> KerasLayer:
    """{"args": [tensor or [tensor, ...], ...], "kwargs": {...}}."""
    positional, keywords = call.get("args"), call.get("kwargs", {})
    if not isinstance(positional, list) or not isinstance(keywords, dict):
        raise layer.unsupported("takes its inputs in a form that is not supported")
    tensors: list[Any] = []
    for value in positional:
        tensors += value if isinstance(value, list) else [value]
    found = [_keras_3_tensor(layer, value) for value in tensors]
    layer = replace(layer, inputs=tuple(reference.layer for reference in found if reference), arguments={})
    if None in found:
        raise layer.unsupported("takes a constant, which is not supported")
    arguments = {
        key: _keras_3_tensor(layer, value) or value
        for key, value in keywords.items()
        if not _changes_nothing(key, value)
    }
    return replace(layer, arguments=arguments)


def _keras_3_tensor(layer: KerasLayer, value: Any) -> Reference | None:
    if not isinstance(value, dict) or value.get("class_name") != _TENSOR:
        return None
    config = value.get("config")
    history = config.get("keras_history") if isinstance(config, dict) else None
    if not isinstance(history, list) or len(history) != 3 or not isinstance(history[0], str):
        raise layer.unsupported("takes its inputs in a form that is not supported")
    if history[1:] != [0, 0]:
        raise layer.unsupported("takes an output of a shared layer, which is not supported")
    return Reference(history[0])

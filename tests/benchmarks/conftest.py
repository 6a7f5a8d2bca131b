"""Evaluations of systems that do not exist, on faces that are random vectors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from ghostface_edge.benchmarks.curve import Curve
from ghostface_edge.benchmarks.evaluation import Evaluation
from ghostface_edge.benchmarks.interval import Interval
from ghostface_edge.benchmarks.metrics import Scores, cross_validate, error_rates
from ghostface_edge.benchmarks.system import SystemInfo
from ghostface_edge.types import ModelIdentity


def system(precision: str = "float32", name: str = "net", detector: str = "yunet") -> SystemInfo:
    """A system of that precision."""
    file = f"{name}-{precision}.tflite"
    return SystemInfo(
        ModelIdentity(f"{name}-id", precision, detector), name, "ab" * 32, "LiteRT 2.3.0", file, "cd" * 32
    )


def scores(seed: int, people: int = 40, photos: int = 5, noise: float = 1.0, lost: int = 0) -> Scores:
    """All comparisons among photos of people; ``lost`` genuine ones are with a photo that was not enrolled."""
    rng = np.random.default_rng(seed)
    person = np.repeat(np.arange(people), photos)
    faces = rng.normal(size=(people, 32))[person] + noise * rng.normal(size=(people * photos, 32))
    faces /= np.linalg.norm(faces, axis=1, keepdims=True)
    a, b = np.triu_indices(len(faces), k=1)
    similarity, same = np.sum(faces[a] * faces[b], axis=1), person[a] == person[b]
    genuine = similarity[same]
    genuine[:lost] = -1
    return Scores(
        genuine,
        similarity[~same],
        genuine_people=person[a[same]],
        impostor_people=np.stack([person[a[~same]], person[b[~same]]], axis=1),
    )


def evaluation(
    seed: int = 0, precision: str = "float32", noise: float = 1.0, lost: int = 0, **changes: Any
) -> Evaluation:
    """An evaluation with 200 photos of 40 people and 400 pairs in 10 folds; ``changes`` replaces its fields."""
    everything = scores(seed, noise=noise, lost=lost)
    rng = np.random.default_rng(seed)
    similarity = np.concatenate([rng.choice(everything.genuine, 200), rng.choice(everything.impostor, 200)])
    same = np.repeat([True, False], 200)
    listed = Scores(similarity[same], similarity[~same])
    folds = cross_validate(similarity, same, np.arange(400) % 10)
    values: dict[str, Any] = {
        "protocol": "all pairs",
        "dataset": "people",
        "system": system(precision),
        "photos": 200,
        "people": 40,
        "failures": (),
        "seconds": 12.5,
        "computed": 150,
        "failed_pairs": 0,
        "accuracy": folds,
        "accuracy_interval": Interval(folds.accuracy - 0.02, folds.accuracy + 0.01, "bootstrap over 40 people"),
        "pairs": error_rates(listed, replicates=100),
        "pair_curve": Curve.of(listed),
        "all_pairs": error_rates(everything, replicates=100),
        "all_curve": Curve.of(everything),
    }
    return Evaluation(**{**values, **changes})


@pytest.fixture(scope="session")
def make_system() -> Callable[..., SystemInfo]:
    """Makes a system's description."""
    return system


@pytest.fixture(scope="session")
def make_scores() -> Callable[..., Scores]:
    """Makes the similarities of all comparisons among random faces, from a seed."""
    return scores


@pytest.fixture(scope="session")
def make_evaluation() -> Callable[..., Evaluation]:
    """Makes an evaluation, from a seed; keywords replace its fields."""
    return evaluation

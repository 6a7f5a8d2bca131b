"""Similarities and decisions, and what cannot be compared."""

from __future__ import annotations

from typing import Any

import numpy as np
from packing import packed

from ghostface_edge.errors import GhostFaceError
from ghostface_edge.matching import decide, similarity
from ghostface_edge.types import ModelIdentity, Template, Threshold

MODEL = ModelIdentity("a", "float32", "yunet")


def vectors() -> dict[str, Any]:
    """Templates, their similarities in pairs, decisions, and the messages of errors."""
    random = np.random.default_rng(11)
    embeddings = random.standard_normal((6, 512)).astype(np.float32)
    embeddings[1] = embeddings[0] + embeddings[1] / 2
    embeddings[2] = -embeddings[0]
    embeddings[3] = embeddings[0] * np.float32(3)  # no length is assumed
    embeddings[4] *= np.float32(1e-18)  # the square of whose length is no float32
    templates = [Template(embedding, MODEL) for embedding in embeddings]
    similarities = [[similarity(a, b) for b in templates] for a in templates]
    limits = (-1.0, 0.0, similarities[0][1], float(np.nextafter(similarities[0][1], 1)), 1.0)
    return {
        "size": embeddings.shape[1],
        "templates": [packed(embedding) for embedding in embeddings],
        "similarities": similarities,
        "decisions": [
            {"similarity": value, "threshold": limit, "match": decide(value, limit).match}
            for value in (similarities[0][1], similarities[0][2], similarities[0][5], 1.0)
            for limit in limits
        ],
        "measured": [_measured(value) for value in (0.29, 0.3, 0.31)],
        "errors": [_error(*pair) for pair in _incomparable()],
        "limits": [_limit(value) for value in (1.0000001, -1.5, 100.0)],
    }


def _measured(value: float) -> dict[str, Any]:
    threshold = Threshold(1e-3, 0.3, "yunet", 0.06, 1000, 200, "LFW")
    result = decide(value, threshold)
    return {"similarity": value, "threshold": threshold.similarity, "fmr": result.fmr, "match": result.match}


def _incomparable() -> list[tuple[Template, Template]]:
    good = Template(np.array([3, 4], np.float32), MODEL)
    return [
        (good, Template(np.array([3, 4], np.float32), ModelIdentity("it's b"))),
        (good, Template(np.array([3, 4, 0], np.float32), MODEL)),
        (good, Template(np.zeros(2, np.float32), MODEL)),
    ]


def _error(a: Template, b: Template) -> dict[str, Any]:
    try:
        similarity(a, b)
    except GhostFaceError as error:
        sides = [{"model": side.model.model_id, "embedding": side.embedding.tolist()} for side in (a, b)]
        return {"a": sides[0], "b": sides[1], "error": type(error).__name__, "message": str(error)}
    raise AssertionError("these do compare")


def _limit(value: float) -> dict[str, Any]:
    try:
        decide(0.5, value)
    except GhostFaceError as error:
        return {"threshold": value, "error": type(error).__name__}
    raise AssertionError(f"{value} is a similarity")

"""The models that this package knows by name: where each one is published, how to recognise it, and its terms.

Sources:

* YuNet: the Git LFS pointer in opencv/opencv_zoo names sha256 and size. The URL is that of a fixed commit, because the
  default branch moves on (it prefers an export of 2026). ``media.githubusercontent.com`` serves what LFS pointers
  point to; ``raw.githubusercontent.com`` serves the pointer.
* GhostFaceNets: the table of V1 checkpoints in the README of HamadYA/GhostFaceNets (commit 513b9f5) names the eight
  release files and what each was trained on. GitHub shows no hashes for them, so ``confirmed`` says how sure we are.
* Terms: the licence files of both repositories; for the training data, the README of deepinsight/insightface ("for
  non-commercial research purposes only") and the data set card of WIDER FACE (CC BY-NC-ND 4.0).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from .card import KINDS
from .errors import OptionError

DEFAULT_EMBEDDER = "ghostfacenet-w0.5-s2"
DEFAULT_DETECTOR = "yunet"

# A name is also the name of a folder in the store: no separators, no leading dot, short.
_SAFE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_SHA256 = re.compile(r"[0-9a-f]{64}")


def is_safe_name(text: str) -> bool:
    """Whether a text can name a model: letters, digits, dot, dash, underscore; starts with a letter or a digit."""
    return isinstance(text, str) and _SAFE.fullmatch(text) is not None


def require_safe_name(text: str) -> None:
    """Refuse a name that is not safe as the name of a file.

    Raises:
        OptionError: See :func:`is_safe_name`.
    """
    if not is_safe_name(text):
        raise OptionError(
            f"the name {text!r} is not usable: take up to 64 letters, digits, dots, dashes and underscores, the first "
            "a letter or a digit"
        )


@dataclass(frozen=True)
class KnownModel:
    """A source file that the store can name, find and recognise.

    Attributes:
        name: What the user says.
        kind: ``embedder`` or ``detector``.
        file: File name in the store and in searched folders.
        url: Where it is published; empty for a model that the user added.
        licence: Terms in words, with what the training data allow.
        sha256: Of the file, lower-case hexadecimal; None where it is not known.
        size: Bytes; None where it is not known.
        git_blob: Git's object id (sha1) of a public copy; None where not known.
        confirmed: Whether ``sha256`` is that of the published file. Where it is not, it is that of a public copy that
            we tested, and the published file may differ.
        note: What a user should know before choosing it.
    """

    name: str
    kind: str
    file: str
    url: str
    licence: str
    sha256: str | None = None
    size: int | None = None
    git_blob: str | None = None
    confirmed: bool = False
    note: str = ""

    def __post_init__(self) -> None:
        for field in ("name", "kind", "file", "url", "licence", "note"):
            if not isinstance(getattr(self, field), str):
                raise OptionError(f"{field} of model {self.name!r} is not text")
        for text in (self.name, self.file):
            require_safe_name(text)
        if self.kind not in KINDS:
            raise OptionError(f"kind {self.kind!r} of model {self.name!r} is none of {', '.join(KINDS)}")
        if self.sha256 is not None and not _SHA256.fullmatch(str(self.sha256)):
            raise OptionError(f"sha256 {self.sha256!r} of model {self.name!r} is not 64 lower-case hexadecimal digits")
        if self.size is not None and (not isinstance(self.size, int) or self.size < 1):
            raise OptionError(f"size {self.size!r} of model {self.name!r} is not a number of bytes")

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return dict(vars(self))


_RELEASES = "https://github.com/HamadYA/GhostFaceNets/releases/download"
_UNTESTED = "not tested by us; no sha256 is known"


def _ghostfacenet(name: str, asset: str, data: str, *, file: str = "", **values: Any) -> KnownModel:
    """An official GhostFaceNetV1 checkpoint; ``asset`` is ``TAG/FILE`` of the release."""
    licence = (
        f"MIT (HamadYA/GhostFaceNets); trained on {data}, a refined MS-Celeb-1M whose terms allow non-commercial "
        "research only"
    )
    file = file or asset.rpartition("/")[2]
    return KnownModel(name, "embedder", file, f"{_RELEASES}/{asset}", licence, **{"note": _UNTESTED, **values})


KNOWN_MODELS: tuple[KnownModel, ...] = (
    KnownModel(
        name="yunet",
        kind="detector",
        file="face_detection_yunet_2023mar.onnx",
        url=(
            "https://media.githubusercontent.com/media/opencv/opencv_zoo/f12e12798e8314f7c074a6656816c048dcc95b7a/"
            "models/face_detection_yunet/face_detection_yunet_2023mar.onnx"
        ),
        licence="MIT (OpenCV Zoo); trained on WIDER FACE, published as CC BY-NC-ND 4.0",
        sha256="8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4",
        size=232_589,
        confirmed=True,
        note="the default detector: 5 landmarks",
    ),
    _ghostfacenet(
        "ghostfacenet-w0.5-s2",
        "v1.0/GN_W0.5_S2_ArcFace_epoch16.h5",
        "MS1MV2",
        sha256="2beca52a2aeadfa81ed5ebab35e2a58f7c79e3c1ffda80a31511861870151715",
        size=3_833_672,
        note="the default embedder; its sha256 is of a public copy that we tested, not confirmed against the release",
    ),
    _ghostfacenet(
        "ghostfacenet-w1-s2",
        "v1.1/GN_W1_S2_ArcFace_epoch18.h5",
        "MS1MV2",
        git_blob="c8975434e96a239bc5c9de9361e3edac92016433",
    ),
    _ghostfacenet(
        "ghostfacenet-w1.3-s1",
        "v1.2/GhostFaceNet_W1.3_S1_ArcFace.h5",
        "MS1MV3",
        sha256="e4182ca2470dac3eb79974f4d5d54f2abdf66d7e231c6f3df4059a90bded1271",
        size=17_271_840,
        git_blob="8e72f8783bd95a88992380c1549758bd72932e04",
        confirmed=True,
        note="sha256 from two independent public records",
    ),
    _ghostfacenet("ghostfacenet-w1.3-s2", "v1.3/GhostFaceNet_W1.3_S2_ArcFace.h5", "MS1MV3"),
    _ghostfacenet("ghostfacenet-w1.3-s1-ms1mv2", "v1.4/GN_W1.3_S1_ArcFace_epoch46.h5", "MS1MV2"),
    _ghostfacenet(
        "ghostfacenet-w1.3-s2-ms1mv2",
        "v1.5/GN_W1.3_S2_ArcFace_epoch48.h5",
        "MS1MV2",
        git_blob="d89f46ff537d3664a48651b92ac38173f35366fa",
    ),
    # Both release files are called epoch17.h5: each gets a name of its own here.
    _ghostfacenet("ghostfacenet-w1.3-s1-cosface", "v1.6/epoch17.h5", "MS1MV2", file="GN_W1.3_S1_CosFace_epoch17.h5"),
    _ghostfacenet(
        "ghostfacenet-w1.3-s2-subcenter", "v1.7/epoch17.h5", "MS1MV2", file="GN_W1.3_S2_SubCenter_epoch17.h5"
    ),
)

"""Groups are timed in turns and related to their first; who is missing or interrupted says so. Clocks are made up."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import pytest

from ghostface_edge.benchmarks import samples as samples_module
from ghostface_edge.benchmarks.contenders import Absent, Contender, Contest, Peer, opencv_threads, sha256_of
from ghostface_edge.benchmarks.peers_table import peers_text
from ghostface_edge.benchmarks.run_file import Row, Run
from ghostface_edge.benchmarks.samples import Subject
from ghostface_edge.cli.output import table
from ghostface_edge.errors import OptionError

SETTINGS = {"photo": "drawn people", "width": 640, "height": 299}


class Clock:
    def __init__(self) -> None:
        self.now = 0.0
        self.order: list[str] = []
        self.interrupt: tuple[str, int] | None = None

    def __call__(self) -> float:
        return self.now

    def peer(self, name: str, group: str, seconds: float, **figures: Any) -> Contender:
        def call() -> None:
            if self.interrupt == (name, self.order.count(name)):
                raise KeyboardInterrupt
            self.order.append(name)
            self.now += seconds

        return Contender(Subject(name, "", "float32", "runtime 1", 1, "", group), call, figures)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    monkeypatch.setattr(samples_module, "WARM_AT_MOST", 0)  # no warm-up
    return Clock()


@pytest.fixture
def peers(clock: Clock) -> list[Peer]:
    return [
        clock.peer("ours", "embed", 0.5, cosine=1.0),
        Absent("tflite-runtime", "embed", "not installed"),
        clock.peer("theirs", "embed", 1.5, cosine=0.25),
        clock.peer("ours", "detect", 2, faces=3),
        clock.peer("quick", "detect", 1, faces=2),
    ]


def _measured(peers: list[Peer], clock: Clock, **options: Any) -> Run:
    return Contest(tuple(peers), 1, SETTINGS).measure(**{"seconds": 1, "least": 5, "clock": clock, **options})


def _row(run: Run, name: str, group: str) -> Row:
    (row,) = (row for row in run.rows if (row.subject.name, row.subject.stage) == (name, group))
    return row


def test_times_and_ratios(peers: list[Peer], clock: Clock, tmp_path: Path) -> None:
    shares: list[float] = []
    run = _measured(peers, clock, progress=shares.append)
    assert [(row.subject.name, row.subject.stage) for row in run.rows] == [
        *(("ours", "embed"), ("tflite-runtime", "embed"), ("theirs", "embed")),
        *(("ours", "detect"), ("quick", "detect")),
    ]
    for name, group, seconds, ratio in (("theirs", "embed", 1.5, 3), ("quick", "detect", 1, 0.5)):
        row = _row(run, name, group)
        assert row.summary is not None
        assert row.summary.p50 == pytest.approx(1e3 * seconds)
        assert [row.figures["ratio"][key] for key in ("value", "low", "high")] == pytest.approx([ratio] * 3)
    assert [_row(run, "ours", group).figures["ratio"] for group in ("embed", "detect")] == [None, None]
    assert _row(run, "theirs", "embed").figures["cosine"] == 0.25
    absent = _row(run, "tflite-runtime", "embed")
    assert (absent.summary, absent.figures) == (None, {"skipped": "not installed"})
    # Groups come one after the other, and within one nobody is timed twice before the others were.
    assert clock.order.index("quick") > len(clock.order) - 1 - clock.order[::-1].index("theirs")
    assert shares == sorted(shares)
    assert shares[-1] < 1
    run.write(tmp_path / "run.json")
    assert Run.read(tmp_path / "run.json") == run


def test_a_group_whose_first_is_missing_is_related_to_the_next(clock: Clock) -> None:
    peers = [Absent("ours", "embed", "no"), clock.peer("second", "embed", 1), clock.peer("third", "embed", 2)]
    run = _measured(peers, clock)
    assert _row(run, "second", "embed").figures["ratio"] is None
    assert _row(run, "third", "embed").figures["ratio"]["value"] == pytest.approx(2)


def test_ctrl_c_keeps_whole_rounds_and_names_who_had_none(peers: list[Peer], clock: Clock) -> None:
    clock.interrupt = ("theirs", 10)
    run = _measured(peers, clock, seconds=1e6)
    assert not run.complete
    theirs = _row(run, "theirs", "embed")
    assert theirs.summary is not None
    assert "incomplete" in theirs.summary.flags
    assert theirs.figures["ratio"]["value"] == pytest.approx(3)
    for name in ("ours", "quick"):
        row = _row(run, name, "detect")
        assert row.summary is None
        assert row.figures["skipped"] == "interrupted before its first round was whole"
    assert "skipped: quick: interrupted" in peers_text(run, table)


def test_ctrl_c_before_anything(peers: list[Peer], clock: Clock) -> None:
    clock.interrupt = ("theirs", 0)
    with pytest.raises(KeyboardInterrupt):
        _measured(peers, clock)


def test_nobody_takes_part(clock: Clock) -> None:
    with pytest.raises(OptionError, match="nobody can take part: a: not here; b: nor here"):
        _measured([Absent("a", "embed", "not here"), Absent("b", "faces", "nor here")], clock)


def test_the_text(peers: list[Peer], clock: Clock) -> None:
    text = peers_text(_measured(peers, clock), table)
    assert "drawn people, 640 x 299 pixels" in text
    embedding, detecting = text.index("Embedding one aligned face"), text.index("Finding faces\n")
    assert embedding < text.index("skipped: tflite-runtime: not installed") < detecting
    assert "Finding and embedding faces" not in text
    lines = {line.split()[0]: line.split() for line in text[embedding:detecting].splitlines() if line}
    # who, precision, runtime (two words), samples, p50, its interval (three words), p90, p99, p50 alone, CPU, ratio
    assert lines["theirs"][5] == lines["theirs"][11] == "1500.000"
    assert lines["theirs"][13] == "3.000"
    assert lines["theirs"][-1] == "0.250000"
    assert "\nquick: fewer samples" in text
    assert "\ncosine: " in text


def test_opencvs_threads_come_back() -> None:
    usual = cv2.getNumThreads()
    seen: list[int] = []
    failing: Callable[[], None] = lambda: (seen.append(cv2.getNumThreads()), 1 / 0)  # type: ignore[assignment]  # noqa: E731
    with pytest.raises(ZeroDivisionError), opencv_threads(3):
        failing()
    assert (seen, cv2.getNumThreads()) == ([3], usual)


def test_sha256(tmp_path: Path) -> None:
    (tmp_path / "abc").write_bytes(b"abc")
    # FIPS 180-2, appendix B.1
    assert sha256_of(tmp_path / "abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

"""Which file is chosen: as a function of CPU, runtimes and files; then by stores of real models."""

from __future__ import annotations

import errno
import logging
import shutil
import sys
from collections.abc import Callable, Collection
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest

from ghostface_edge import cpu
from ghostface_edge.benchmarks.arm.core import CORES
from ghostface_edge.choice import Choice, candidates, choose
from ghostface_edge.detection import YuNet
from ghostface_edge.engine import FaceEngine, load_detector
from ghostface_edge.errors import CheckpointError, ChecksumError, MissingModelError, OptionError
from ghostface_edge.models import ModelStore
from ghostface_edge.runtime import RUNTIMES
from ghostface_edge.runtime.opening import read_model_card

EMBEDDER = "ghostfacenet-w0.5-s2"
Be = Callable[[str], None]

# The line of /proc/cpuinfo that lists what a CPU can do.
SAPPHIRE_RAPIDS = "flags\t\t: avx avx2 fma avx512f avx512_vnni amx_int8 avx512_fp16\n"
EPYC = "flags\t\t: avx avx2 fma avx512f avx512_vnni\n"
HASWELL = "flags\t\t: avx avx2 fma\n"
RISCV = "isa\t\t: rv64imafdc\n"
HALF_OF_HALF = "Features\t: fp asimd fphp\n"  # scalars alone: no such core is known
CPUINFO = {
    **{name: core.cpuinfo() for name, core in CORES.items()},
    "sapphire rapids": SAPPHIRE_RAPIDS,
    "epyc": EPYC,
    "haswell": HASWELL,
    "riscv": RISCV,
    "half of half": HALF_OF_HALF,
}

BOTH = ("litert", "onnx")
EVERYTHING = [(runtime, precision) for runtime in BOTH for precision in ("float32", "float16", "int8", "dynamic")]


@pytest.fixture
def be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Be:
    """Makes this machine say that its CPU is another."""

    def be(name: str) -> None:
        (tmp_path / "cpuinfo").write_text(CPUINFO[name])
        monkeypatch.setattr(cpu, "CPUINFO", tmp_path / "cpuinfo")

    return be


def features(name: str, folder: Path) -> tuple[str, ...]:
    (folder / name).write_text(CPUINFO[name])
    return cpu.read_cpu(folder / name).features


def chosen(
    name: str,
    folder: Path,
    runtimes: tuple[str, ...] = BOTH,
    there: Collection[tuple[str, str]] = EVERYTHING,
    *,
    kind: str = "embedder",
    beside: str | None = None,
) -> Choice | None:
    """What is chosen on a CPU where the files ``there`` exist."""
    able = features(name, folder)
    return choose(
        kind,
        able,
        candidates(kind, able, runtimes, beside),
        lambda runtime, precision: Path(f"{precision}.{runtime}") if (runtime, precision) in there else None,
    )


class TestFunction:
    @pytest.mark.parametrize(
        ("name", "precision", "reason"),
        [
            ("a53", "float32", "this CPU has no float16 arithmetic"),
            ("a72", "float32", "this CPU has no float16 arithmetic"),
            ("a76", "float16", "LiteRT computes in float16 on this CPU"),
            ("epyc", "float32", "this CPU has no float16 arithmetic"),
            ("sapphire rapids", "float32", "LiteRT does not use the float16 arithmetic of this CPU"),
            ("half of half", "float32", "this CPU has no float16 arithmetic"),
            ("riscv", "float32", "what this CPU can do is unknown"),
        ],
    )
    def test_every_core_with_every_file(self, tmp_path: Path, name: str, precision: str, reason: str) -> None:
        wanted = Choice(Path(f"{precision}.litert"), precision, "litert", reason)
        assert chosen(name, tmp_path) == wanted
        assert wanted.explanation == reason

    def test_float16_arithmetic_comes_before_the_order_of_the_runtimes(self, tmp_path: Path) -> None:
        """tflite-runtime stands behind ONNX Runtime, for it cannot write files; it computes in float16, too."""
        order = ("onnx", "litert")
        a76, a72 = chosen("a76", tmp_path, order), chosen("a72", tmp_path, order)
        assert a76
        assert (a76.runtime, a76.precision) == ("litert", "float16")
        assert a72
        assert (a72.runtime, a72.precision) == ("onnx", "float32")

    def test_onnx_runtime_alone(self, tmp_path: Path) -> None:
        found = chosen("a76", tmp_path, ("onnx",))
        assert found == Choice(Path("float32.onnx"), "float32", "onnx", "ONNX Runtime does not compute in float16")

    @pytest.mark.parametrize(
        ("name", "there", "wanted"),
        [
            ("a76", [("litert", "float32"), ("onnx", "float32")], ("litert", "float32")),
            ("a76", [("onnx", "float32"), ("onnx", "float16")], ("onnx", "float32")),
            ("a72", [("litert", "float16"), ("onnx", "float32")], ("litert", "float16")),
            ("epyc", [("onnx", "float16")], ("onnx", "float16")),
        ],
    )
    def test_the_next_best(
        self, tmp_path: Path, name: str, there: list[tuple[str, str]], wanted: tuple[str, str]
    ) -> None:
        found = chosen(name, tmp_path, there=there)
        assert found
        assert (found.runtime, found.precision) == wanted
        best = "float16" if name == "a76" else "float32"
        assert found.reason == f"there is no {best} file for LiteRT, which would suit this CPU best"

    @pytest.mark.parametrize("name", CPUINFO)
    def test_what_costs_accuracy_is_never_chosen(self, tmp_path: Path, name: str) -> None:
        lossy = [form for form in EVERYTHING if form[1] in ("int8", "dynamic")]
        assert chosen(name, tmp_path, there=lossy) is None

    def test_no_further_file_is_looked_at_than_needed(self, tmp_path: Path) -> None:
        asked: list[tuple[str, str]] = []

        def find(runtime: str, precision: str) -> Path:
            asked.append((runtime, precision))
            return Path("x")

        choose("detector", features("a76", tmp_path), BOTH, find)
        assert asked == [("litert", "float16")]


class TestDetector:
    """With AVX-512, YuNet has a runtime of its own; everywhere else, that of the embedder."""

    FASTER = "ONNX Runtime finds faces faster than LiteRT on a CPU with AVX-512"

    @pytest.mark.parametrize("beside", [None, "litert"])
    @pytest.mark.parametrize("name", ["epyc", "sapphire rapids"])
    def test_with_avx512(self, tmp_path: Path, name: str, beside: str | None) -> None:
        found = chosen(name, tmp_path, kind="detector", beside=beside)
        assert found == Choice(Path("float32.onnx"), "float32", "onnx", self.FASTER)

    @pytest.mark.parametrize("name", ["a53", "a72", "a76", "haswell", "riscv"])
    def test_without(self, tmp_path: Path, name: str) -> None:
        for beside in BOTH:
            found = chosen(name, tmp_path, kind="detector", beside=beside)
            assert found == chosen(name, tmp_path, (beside,))

    def test_where_there_is_no_choice(self, tmp_path: Path) -> None:
        """Nothing is called faster than a runtime that is not there, or that nobody would have taken."""
        for runtimes, beside in [(("litert",), None), (("onnx",), None), (("litert",), "litert"), (BOTH, "onnx")]:
            found = chosen("epyc", tmp_path, runtimes, kind="detector", beside=beside)
            assert found == chosen("epyc", tmp_path, (beside or runtimes[0],))

    def test_no_file_for_it(self, tmp_path: Path) -> None:
        found = chosen("epyc", tmp_path, there=[("litert", "float32")], kind="detector", beside="litert")
        assert found
        assert (found.runtime, found.precision) == ("litert", "float32")
        assert found.reason == "there is no float32 file for ONNX Runtime, which would suit this CPU best"


def precision_of(path: Path) -> str:
    return read_model_card(path.read_bytes(), path.name).precision


@pytest.mark.parametrize(("name", "precision"), [("a72", "float32"), ("a76", "float16"), ("haswell", "float32")])
class TestStore:
    def test_both_networks(self, real_models: ModelStore, be: Be, name: str, precision: str) -> None:
        pytest.importorskip("ai_edge_litert")
        be(name)
        for model in (EMBEDDER, "yunet"):
            found = real_models.choose(model)
            assert (found.precision, found.runtime) == (precision, "litert")
            assert found.path == real_models.resolve(model, format="tflite", precision=precision)
            assert precision_of(found.path) == precision
            assert found.advice == ""
            stored = {item.name: item for item in real_models.list()}[model]
            assert (stored.state, stored.path) == ("ready", found.path)

    def test_the_engine(
        self, real_models: ModelStore, be: Be, caplog: pytest.LogCaptureFixture, name: str, precision: str
    ) -> None:
        pytest.importorskip("ai_edge_litert")
        be(name)
        with caplog.at_level(logging.INFO, "ghostface_edge"):
            engine = FaceEngine(store=real_models, threads=1)
        assert engine.card.precision == engine.model.precision == precision
        assert {network: choice.precision for network, choice in engine.choices.items()} == {
            "embedder": precision,
            "detector": precision,
        }
        reason = engine.choices["embedder"].reason
        assert f"{precision}: {reason}) with detector yunet, ai_edge_litert" in engine.describe()
        assert f"{EMBEDDER} in {precision}: {reason}" in caplog.messages
        assert f"yunet in {precision}: {reason}" in caplog.messages
        float32 = FaceEngine(store=real_models, threads=1, precision="float32")
        for fmr in (1e-1, 1e-3, 1e-5):
            assert engine.threshold(fmr) == float32.threshold(fmr), "the same decision, whichever file"


def test_with_avx512_each_network_has_its_runtime(
    real_models: ModelStore, be: Be, shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same faces, to a hundredth of a pixel; and with either runtime alone, that one."""
    pytest.importorskip("ai_edge_litert")
    pytest.importorskip("onnxruntime")
    be("epyc")
    both = FaceEngine(store=real_models, threads=1)
    assert (both.embedder.session.runtime, both.choices["detector"].runtime) == ("litert", "onnx")
    versions = f"{both.embedder.session.version}, onnxruntime {version('onnxruntime')}"
    assert f"with detector yunet (float32: {TestDetector.FASTER}), {versions}, threads: 1" in both.describe()
    alone = FaceEngine(store=real_models, threads=1, runtime="litert")
    assert alone.choices["detector"].runtime == "litert"
    assert alone.runtimes == alone.embedder.session.version
    photo = shared / "photos" / "img16.jpg"
    ours, theirs = both.face(photo), alone.face(photo)
    assert np.abs(ours.landmarks - theirs.landmarks).max() < 0.01
    assert ours.embedding @ theirs.embedding > 0.99999
    stored = {item.name: item.path for item in real_models.list()}
    assert (stored["yunet"].suffix, stored[EMBEDDER].suffix) == (".onnx", ".tflite")

    onnx = real_models.choose(EMBEDDER, runtime="onnx").path
    assert FaceEngine(onnx, store=real_models, threads=1).choices["detector"].runtime == "onnx"
    monkeypatch.setattr("ghostface_edge.models.installed_runtimes", lambda: ("litert",))
    assert FaceEngine(store=real_models, threads=1).choices["detector"].runtime == "litert"


@pytest.mark.parametrize("alone", [False, True])
def test_a_runtime_that_does_not_load(
    real_models: ModelStore,
    be: Be,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    alone: bool,
) -> None:
    """It is installed, so its file is chosen and made; YuNet runs on the other one all the same."""
    pytest.importorskip("ai_edge_litert")
    pytest.importorskip("onnxruntime")
    be("epyc")
    (tmp_path / "broken" / "onnxruntime").mkdir(parents=True)
    (tmp_path / "broken" / "onnxruntime" / "__init__.py").write_text("raise ImportError('built for another NumPy')")
    monkeypatch.syspath_prepend(str(tmp_path / "broken"))
    monkeypatch.delitem(sys.modules, "onnxruntime")
    if not alone:
        engine = FaceEngine(store=real_models, threads=1)
        detector = engine.detector
        assert engine.choices["detector"].runtime == "litert"
    else:
        detector = load_detector("yunet", real_models, threads=1)
    assert isinstance(detector, YuNet)
    assert detector.runtime.startswith("ai_edge_litert")
    assert "detector yunet runs on LiteRT: " in caplog.text


def test_without_float16_arithmetic_nothing_has_changed(real_models: ModelStore, be: Be, shared: Path) -> None:
    """The default is, bit by bit, float32 in both networks."""
    be("haswell")
    format = RUNTIMES[real_models.choose(EMBEDDER).runtime]
    plain = real_models.resolve("yunet", format=format, precision="float32")
    by_name = FaceEngine(EMBEDDER, f"yunet:{plain}", store=real_models, precision="float32", threads=1)
    default = FaceEngine(store=real_models, threads=1)
    for photo in ("img16.jpg", "selfie-many-people.jpg"):
        ours, theirs = (engine.faces(shared / "photos" / photo) for engine in (default, by_name))
        assert len(ours) == len(theirs) > 0
        for a, b in zip(ours, theirs):
            assert np.array_equal(a.embedding, b.embedding)
            assert np.array_equal(a.landmarks, b.landmarks)


def test_what_the_caller_says_wins(real_models: ModelStore, be: Be, tiny_embedder: Path) -> None:
    be("a76")
    for precision in ("float32", "int8"):
        engine = FaceEngine(store=real_models, precision=precision, threads=1)
        assert engine.card.precision == precision
        assert "embedder" not in engine.choices
    path = real_models.resolve(EMBEDDER, precision="float32")
    for model in (path, str(path)):
        assert FaceEngine(model, store=real_models, threads=1).card.precision == "float32"
    assert real_models.choose(tiny_embedder) == Choice(tiny_embedder)
    onnx = real_models.choose(EMBEDDER, runtime="onnx")
    assert (onnx.precision, onnx.runtime, onnx.path.suffix) == ("float32", "onnx", ".onnx")
    with pytest.raises(OptionError, match="none of"):
        real_models.choose(EMBEDDER, runtime="tensorflow")


def test_a_checkpoint_by_its_path(real_models: ModelStore, be: Be, shared: Path) -> None:
    pytest.importorskip("ai_edge_litert")
    be("a76")
    source = shared / "models" / "GN_W0.5_S2_ArcFace_epoch16.h5"
    assert real_models.choose(source) == real_models.choose(EMBEDDER)


def read_only(*arguments: object, **values: object) -> None:
    raise OSError(errno.EROFS, "Read-only file system")


class TestLack:
    """A Raspberry Pi 5 to which converted files were copied, and nothing else."""

    @pytest.fixture
    def bare(self, real_models: ModelStore, be: Be, tmp_path: Path) -> ModelStore:
        pytest.importorskip("ai_edge_litert")
        be("a76")
        converted = tmp_path / "home" / "converted"
        converted.mkdir(parents=True)
        for model in (EMBEDDER, "yunet"):
            shutil.copy(real_models.resolve(model, format="tflite", precision="float32"), converted)
        return ModelStore(tmp_path / "home", [])

    def test_it_says_what_it_uses_and_the_command(self, bare: ModelStore, caplog: pytest.LogCaptureFixture) -> None:
        with caplog.at_level(logging.INFO, "ghostface_edge"):
            engine = FaceEngine(store=bare, threads=1)
        assert engine.card.precision == "float32"
        said = (
            "there is no float16 file for LiteRT, which would suit this CPU best; "
            "better: ghostface-edge models pull ghostfacenet-w0.5-s2"
        )
        assert engine.choices["embedder"].explanation == said
        assert f"float32: {said}) with detector yunet" in engine.describe()
        assert f"{EMBEDDER} in float32: {said}" in caplog.messages
        assert engine.choices["detector"].advice == "ghostface-edge models pull yunet"
        assert {item.state for item in bare.list() if item.name in (EMBEDDER, "yunet")} == {"ready"}

    def test_the_command_makes_it_better(self, bare: ModelStore, shared: Path) -> None:
        """As the command does: the source comes, here from a folder, and is converted."""
        better = ModelStore(bare.home, [shared / "models", shared / "detectors"])
        for model in (EMBEDDER, "yunet"):
            assert bare.choose(model).precision == "float32"
            assert better.choose(model).precision == "float16"
            assert bare.choose(model).precision == "float16", "the file that was made serves without its source, too"

    def test_without_any_file(self, bare: ModelStore) -> None:
        for path in (bare.home / "converted").iterdir():
            path.unlink()
        with pytest.raises(MissingModelError, match="models pull"):
            bare.choose(EMBEDDER)

    def test_the_store_takes_no_file(self, bare: ModelStore, shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """As in an image that was made for another machine and cannot be written to: what it holds serves."""
        with monkeypatch.context() as context:
            context.setattr(Path, "mkdir", read_only)
            found = ModelStore(bare.home, [shared / "models"]).choose(EMBEDDER)
        assert (found.precision, found.advice) == ("float32", "")
        assert "and none can be made: cannot write " in found.reason
        assert "Read-only file system. GHOSTFACE_EDGE_HOME moves the store" in found.reason

    def test_a_source_of_other_bytes_is_not_passed_over(
        self, bare: ModelStore, shared: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def differs(name: str) -> Path:
            raise ChecksumError(name)

        store = ModelStore(bare.home, [shared / "models"])
        monkeypatch.setattr(store, "source", differs)
        with pytest.raises(ChecksumError):
            store.choose(EMBEDDER)

    def test_a_package_for_converting_is_missing(
        self, bare: ModelStore, shared: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(sys.modules, "h5py", None)  # as Python has it after an import that failed
        found = ModelStore(bare.home, [shared / "models"]).choose(EMBEDDER)
        assert found.precision == "float32"
        assert 'pip install "ghostface-edge[convert]"' in found.advice


def test_a_checkpoint_that_float16_cannot_hold(shared: Path, tmp_path: Path, be: Be) -> None:
    """Embeddings ten million times as long are the same embeddings, but for float16."""
    h5py = pytest.importorskip("h5py")
    pytest.importorskip("ai_edge_litert")
    be("a76")
    path = tmp_path / "long.h5"
    shutil.copy(shared / "models" / "GN_W0.5_S2_ArcFace_epoch16.h5", path)
    with h5py.File(path, "r+") as file:
        last = file["model_weights/pre_embedding/pre_embedding"]
        for name in ("gamma:0", "beta:0"):
            last[name][...] *= np.float32(1e7)
    found = ModelStore(tmp_path / "home", []).choose(path)
    assert (found.precision, found.advice) == ("float32", "")
    assert found.reason.startswith("there is no float16 file for LiteRT, which would suit this CPU best, and none can")
    assert "none can be made: the tensor 'GDC_conv' reaches" in found.reason


def test_a_source_that_cannot_be_converted_says_why(tmp_path: Path, be: Be) -> None:
    be("a76")
    path = tmp_path / "mine.h5"
    path.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(64))
    pytest.importorskip("h5py")
    with pytest.raises(CheckpointError, match=r"mine\.h5"):
        FaceEngine(path, store=ModelStore(tmp_path / "home", []))


def test_a_detector_alone(real_models: ModelStore, be: Be, caplog: pytest.LogCaptureFixture) -> None:
    pytest.importorskip("ai_edge_litert")
    be("a76")
    with caplog.at_level(logging.INFO, "ghostface_edge"):
        load_detector("yunet-fast", real_models, threads=1)
    assert "yunet in float16: LiteRT computes in float16 on this CPU" in caplog.messages

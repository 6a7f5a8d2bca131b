"""The phone app: Java against Python, the screens on Android's own code, and the APK; by the commands of its README."""

from __future__ import annotations

import os
import re
import runpy
import shlex
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent.parent
DEMO = ROOT / "android_demo"
README = DEMO / "README.md"
APP = DEMO / "app"
APK = APP / "target" / "ghostface-edge.apk"
MODELS = APP / "src" / "main" / "assets" / "models"

SHARED = Path(os.environ.get("GHOSTFACE_EDGE_SHARED", ROOT.parent / "shared"))
OLDEST = "org.robolectric:android-all:8.0.0_r4-robolectric-r1"
"""Android of the least API level that the app claims, 26."""

TOOLS = ("mvn", "javac", "aapt", "aapt2", "zipalign", "apksigner", "dexdump", "readelf", "zip", "unzip")

pytestmark = pytest.mark.android


@pytest.fixture(scope="module", autouse=True)
def _tools() -> None:
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing:
        pytest.skip(f"no {', '.join(missing)} here")


def run(command: str, **environment: str) -> str:
    """What a command of the README prints, run in the root of the repository by this environment's Python."""
    words = shlex.split(command)
    words[0] = sys.executable if words[0] == "python" else words[0]
    done = subprocess.run(
        words, cwd=ROOT, env={**os.environ, **environment}, text=True, stdout=-1, stderr=-2, check=False
    )
    assert done.returncode == 0, f"$ {command}\n{done.stdout}"
    return re.sub("\x1b\\[\\d*m", "", done.stdout)  # Maven's colours


def commands() -> dict[str, list[str]]:
    """The commands that the README shows, each with the lines that it shows below."""
    found: dict[str, list[str]] = {}
    for block in re.findall(r"^```console\n(.*?)^```$", README.read_text("utf-8"), re.MULTILINE | re.DOTALL):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, *shown = part.splitlines()
            found[command] = shown
    return found


VECTORS = "python android_demo/vectors --check"
MODEL = "python android_demo/models.py"
TESTS = "mvn -q -f android_demo verify"
BUILD = "android_demo/apk.sh"


def test_the_readme_shows_the_commands_of_these_tests() -> None:
    shown = [command for command in commands() if not command.startswith(("adb ", "ghostface-edge "))]
    assert sorted(shown) == sorted([VECTORS, MODEL, TESTS, BUILD])


def test_java_agrees_with_python() -> None:
    run(VECTORS)


def test_the_app_passes_its_tests_and_looks_as_the_readme_shows() -> None:
    run(TESTS)
    if not SHARED.is_dir():
        return  # most screens are drawn with the official models only
    demo = runpy.run_path(str(DEMO / "screens.py"))
    with Image.open(demo["SHEET"]) as image:
        shown = np.asarray(image.convert("RGB")).astype(int)
    drawn = np.asarray(demo["sheet"]()).astype(int)
    assert shown.shape == drawn.shape, "python android_demo/screens.py"
    changed = (np.abs(shown - drawn).max(axis=2) > 64).mean()  # days and milliseconds always do
    assert changed < 0.02, f"{changed:.1%} of the pixels of screens.jpg have changed: python android_demo/screens.py"


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What the build of the APK printed; models are in it where there are any."""
    home = tmp_path_factory.mktemp("home")
    if SHARED.is_dir() and not any(MODELS.glob("*.tflite")):
        folders = os.pathsep.join(str(SHARED / name) for name in ("models", "detectors"))
        run(MODEL, GHOSTFACE_EDGE_HOME=str(home), GHOSTFACE_EDGE_MODELS=folders)
    return run(BUILD, KEYSTORE=str(home / "debug.keystore"))


def test_the_apk_is_what_the_readme_says(printed: str) -> None:
    lines = [number_free(line) for line in printed.splitlines() if not line.startswith("!! No model")]
    assert lines[lines.index("Verifies") :] == [number_free(line) for line in commands()[BUILD]], printed


def number_free(line: str) -> str:
    """Sizes move with every change."""
    return re.sub(r"\d+", "#", line) if line.startswith("bytes: ") else line


def test_the_app_can_only_use_the_camera(printed: str) -> None:
    permissions = run(f"aapt dump permissions {APK}").splitlines()
    assert [line for line in permissions if "permission:" in line] == [
        "uses-permission: name='android.permission.CAMERA'"
    ], printed
    manifest = run(f"aapt dump xmltree {APK} AndroidManifest.xml")
    assert re.search(r"android:allowBackup\(.*\)=\(type 0x12\)0x0", manifest)
    assert "android:debuggable" not in manifest


def test_the_apk_holds_code_libraries_and_the_prepared_models(printed: str) -> None:
    with zipfile.ZipFile(APK) as file:
        names = set(file.namelist())
        assert names >= {"AndroidManifest.xml", "resources.arsc", "classes.dex"}, printed
        for abi in ("arm64-v8a", "armeabi-v7a"):
            library = file.getinfo(f"lib/{abi}/libtensorflowlite_jni.so")
            assert library.compress_type == zipfile.ZIP_STORED
        models = {name for name in names if name.startswith("assets/models/") and name.endswith(".tflite")}
        assert models == {f"assets/models/{path.name}" for path in MODELS.glob("*.tflite")}
        for name in models:
            assert file.read(name) == (MODELS / Path(name).name).read_bytes()
        code = file.read("classes.dex")
    assert b"Lghostface/edge/FaceEngine;" in code
    assert b"Lorg/tensorflow/lite/Interpreter;" in code
    # Only in a JVM: no phone has them.
    for absent in (b"Lai/onnxruntime/", b"Lorg/sqlite/", b"Ljava/lang/invoke/LambdaMetafactory;"):
        assert absent not in code


def test_newer_android_is_used_only_where_its_version_is_asked_for(printed: str, tmp_path: Path) -> None:
    """Everything else compiles against the oldest Android that the app installs on."""
    copy = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy"
    run(f"mvn -q -B {copy} -Dartifact={OLDEST} -DoutputDirectory={tmp_path}")
    work = APP / "target" / "android"
    libraries = [*tmp_path.glob("*.jar"), work / "desugared.jar"]
    sources = [
        str(path) for folder in ("src/main/java", "target/android/gen") for path in APP.joinpath(folder).rglob("*.java")
    ]
    options = ["-nowarn", "--release", "8", "-proc:none", "-Xmaxerrs", "1000", "-d", str(tmp_path)]
    command = ["javac", *options, "-cp", os.pathsep.join(map(str, libraries)), *sources]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    errors = re.findall(r"^(.+\.java):\d+: error: (.*)$", done.stderr, re.MULTILINE)
    assert bool(errors) == bool(done.returncode), done.stderr
    assert {reason for _, reason in errors} <= {"cannot find symbol"}, done.stderr
    files = {path for path, _ in errors}
    assert len(files) <= 1, done.stderr
    assert all("VERSION.SDK_INT" in Path(path).read_text("utf-8") for path in files), done.stderr

"""Written files in a browser, on LiteRT.js in headless Chromium, against LiteRT.

LiteRT.js comes from npm, into a folder of its own:

    npm install --prefix .ci/litertjs @litertjs/core@2.5.3
    GHOSTFACE_EDGE_LITERTJS=$PWD/.ci/litertjs/node_modules .venv/bin/python -m pytest -m browser

LiteRT.js 2.5 cannot resize an input: it runs a YuNet of open size at the size that stands in the file, 32 x 32.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from ghostface_edge.runtime.litert import LiteRTSession

pytestmark = pytest.mark.browser

PAGE = Path(__file__).with_name("litertjs.html")
VARIABLE = "GHOSTFACE_EDGE_LITERTJS"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
TYPES = {".js": "text/javascript", ".wasm": "application/wasm", ".html": "text/html", ".json": "application/json"}
SECONDS = 120

FLOAT_LIMIT = 1e-4
"""Measured: 0 on GhostFaceNetV1 and on YuNet, 2e-6 on V2."""

COSINE = 0.99
"""Measured: above 0.9999."""


@pytest.fixture(scope="module")
def packages() -> Path:
    """The folder with LiteRT.js in it."""
    pytest.importorskip("ai_edge_litert")
    found = os.environ.get(VARIABLE)
    if not found:
        pytest.skip(f"no comparison with LiteRT.js: {VARIABLE} is not set; {Path(__file__).name} says how")
    return Path(found)


@pytest.fixture(scope="module")
def chromium() -> str:
    """The browser's command."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        pytest.skip(f"no comparison with LiteRT.js: none of {', '.join(BROWSERS)} is installed")
    return found


class Site:
    """A web server for the page, for LiteRT.js and for models, which keeps what is posted.

    Args:
        packages: Folder of ``@litertjs``.
        served: What else there is to get, by path.
    """

    def __init__(self, packages: Path, served: dict[str, bytes]) -> None:
        self.posted: dict[str, bytes] = {}
        self.done = threading.Event()
        site = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_: object) -> None:
                pass

            def do_GET(self) -> None:
                path = self.path[1:]
                file = packages / path
                body = served.get(path)
                if body is None and path.startswith("@litertjs/") and ".." not in path and file.is_file():
                    body = file.read_bytes()
                if body is None:
                    self.send_error(404)
                    return
                self.send_response(200)
                self.send_header("Content-Type", TYPES.get(Path(path).suffix, "application/octet-stream"))
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_POST(self) -> None:
                site.posted[self.path[1:]] = self.rfile.read(int(self.headers["Content-Length"]))
                self.send_response(204)
                self.end_headers()
                if self.path == "/done":
                    site.done.set()

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    def __enter__(self) -> Site:
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()


@contextmanager
def browsing(chromium: str, url: str, folder: Path) -> Iterator[None]:
    """A browser at a page; ``--no-sandbox``, for it does not start as root otherwise, and the page is ours."""
    options = ["--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
    command = [chromium, *options, f"--user-data-dir={folder}", url]
    browser = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        yield
    finally:
        os.killpg(browser.pid, signal.SIGTERM)
        browser.wait(30)


@pytest.mark.parametrize("models", ["random_models", "official_models"])
def test_as_on_litert(
    packages: Path,
    chromium: str,
    loopback: None,
    models: str,
    request: pytest.FixtureRequest,
    compare: Callable[..., None],
    tmp_path: Path,
) -> None:
    written = {
        name: (data, pictures[:1, :32, :32] if name.startswith("yunet") else pictures[:1])
        for name, (data, pictures) in request.getfixturevalue(models).items()
    }
    served = {PAGE.name: PAGE.read_bytes()}
    served["models.json"] = json.dumps({name: pictures.shape for name, (_, pictures) in written.items()}).encode()
    for name, (data, pictures) in written.items():
        served.update({f"{name}.tflite": data, f"{name}.f32": pictures.tobytes()})
    with (
        Site(packages, served) as site,
        browsing(chromium, f"http://127.0.0.1:{site.server.server_port}/{PAGE.name}", tmp_path),
    ):
        assert site.done.wait(SECONDS), f"no answer after {SECONDS} s; answered: {', '.join(site.posted)}"
    assert site.posted.pop("done").decode() == ""
    assert site.posted.keys() == written.keys()
    for name, (data, pictures) in written.items():
        wanted = LiteRTSession(data, threads=1, name=name).run(pictures)
        ends = np.cumsum([array.size for array in wanted])
        flat = np.split(np.frombuffer(site.posted[name], np.float32), ends[:-1])
        assert flat[-1].size == wanted[-1].size
        found = [part.reshape(array.shape) for part, array in zip(flat, wanted)]
        compare(name, wanted, found, FLOAT_LIMIT, COSINE)

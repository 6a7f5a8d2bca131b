"""Transfers, against a real server on this machine that breaks in the ways that servers and networks break."""

from __future__ import annotations

import io
import random
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import pytest

from ghostface_edge import download as transfer
from ghostface_edge.download import download
from ghostface_edge.errors import DownloadError

BODY = random.Random(7).randbytes(300_000)
Reply = Callable[[BaseHTTPRequestHandler], None]


class Server:
    """Answers each path with the replies given for it, one after another; the last one stays."""

    def __init__(self) -> None:
        self.replies: dict[str, list[Reply]] = {}
        self.seen: list[tuple[str, str | None, str | None]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.seen.append((self.path, self.headers["Range"], self.headers["If-Range"]))
                replies = outer.replies[self.path]
                reply = replies.pop(0) if len(replies) > 1 else replies[0]
                reply(self)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


def send(
    status: int = 200, body: bytes = BODY, *, length: int | None = -1, cut: int | None = None, **headers: str
) -> Reply:
    """A reply; ``length=-1``: the true one, None: none; ``cut``: close the connection after so many bytes."""

    def reply(request: BaseHTTPRequestHandler) -> None:
        request.send_response(status)
        if length is not None:
            request.send_header("Content-Length", str(len(body) if length == -1 else length))
        for name, value in headers.items():
            request.send_header(name.replace("_", "-"), value)
        request.end_headers()
        request.wfile.write(body[:cut])
        request.wfile.flush()
        request.close_connection = True

    return reply


def send_range(request: BaseHTTPRequestHandler) -> None:
    """What a server that does parts answers."""
    start = int(request.headers["Range"].partition("=")[2].rstrip("-"))
    part = f"bytes {start}-{len(BODY) - 1}/{len(BODY)}"
    send(206, BODY[start:], Content_Range=part, ETag='"1"')(request)


@pytest.fixture
def server(loopback: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(transfer, "PLAIN_HTTP_HOSTS", frozenset({"127.0.0.1"}))
    monkeypatch.setattr(transfer, "PAUSE", 0.001)
    monkeypatch.setenv("no_proxy", "*")
    running = Server()
    yield running
    running.close()


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "target"


def test_the_body_arrives(server: Server, target: Path) -> None:
    server.replies["/f"] = [send()]
    download(server.url + "/f", target)
    assert target.read_bytes() == BODY
    assert server.seen == [("/f", None, None)]


def test_without_a_length_the_body_arrives_too(server: Server, target: Path) -> None:
    server.replies["/f"] = [send(length=None)]
    download(server.url + "/f", target)
    assert target.read_bytes() == BODY


def test_what_the_target_held_is_gone(server: Server, target: Path) -> None:
    target.write_bytes(b"x" * 400_000)
    server.replies["/f"] = [send()]
    download(server.url + "/f", target)
    assert target.read_bytes() == BODY


@pytest.mark.parametrize("status", [500, 503, 429, 408])
def test_a_passing_error_of_the_server_is_retried(server: Server, target: Path, status: int) -> None:
    server.replies["/f"] = [send(status, b"sorry"), send(status, b"sorry"), send()]
    download(server.url + "/f", target)
    assert target.read_bytes() == BODY
    assert len(server.seen) == 3


def test_a_lasting_error_of_the_server_ends_after_four_attempts(server: Server, target: Path) -> None:
    server.replies["/f"] = [send(503, b"sorry")]
    with pytest.raises(DownloadError, match=r"the server answered 503 Service Unavailable \(tried 4 times\)"):
        download(server.url + "/f", target)
    assert len(server.seen) == 4


@pytest.mark.parametrize("status", [401, 403, 404, 416, 304])
def test_a_refusal_is_not_retried(server: Server, target: Path, status: int) -> None:
    server.replies["/f"] = [send(status, b"")]
    with pytest.raises(DownloadError, match=f"the server answered {status}"):
        download(server.url + "/f", target)
    assert len(server.seen) == 1


def test_a_broken_transfer_is_resumed_where_it_stopped(server: Server, target: Path) -> None:
    server.replies["/f"] = [send(cut=100_000, ETag='"1"'), send_range]
    download(server.url + "/f", target)
    assert target.read_bytes() == BODY
    first, second = server.seen
    assert first == ("/f", None, None)
    assert second[1] is not None
    assert 0 < int(second[1][len("bytes=") : -1]) <= 100_000, "not from the beginning"
    assert second[2] == '"1"', "only if it is still the same file"


def test_a_server_without_parts_starts_again(server: Server, target: Path) -> None:
    server.replies["/f"] = [send(cut=100_000, ETag='"1"'), send(ETag='"1"')]
    download(server.url + "/f", target)
    assert target.read_bytes() == BODY


def test_a_file_that_changed_meanwhile_starts_again(server: Server, target: Path) -> None:
    other = BODY[::-1]
    server.replies["/f"] = [send(cut=100_000, ETag='"1"'), send(body=other, ETag='"2"')]
    download(server.url + "/f", target)
    assert target.read_bytes() == other


@pytest.mark.parametrize("etag", ["", 'W/"1"'])
def test_without_a_strong_etag_nothing_is_resumed(server: Server, target: Path, etag: str) -> None:
    server.replies["/f"] = [send(cut=100_000, ETag=etag), send()]
    download(server.url + "/f", target)
    assert target.read_bytes() == BODY
    assert [request[1] for request in server.seen] == [None, None]


def test_another_part_than_the_one_asked_for_is_refused(server: Server, target: Path) -> None:
    wrong = send(206, BODY[5:], Content_Range=f"bytes 5-{len(BODY) - 1}/{len(BODY)}")
    server.replies["/f"] = [wrong]
    with pytest.raises(DownloadError, match="another part of the file"):
        download(server.url + "/f", target)


def test_a_body_that_stays_short_is_an_error(server: Server, target: Path) -> None:
    server.replies["/f"] = [send(cut=1000)]
    with pytest.raises(DownloadError, match=r"cannot download .*bytes.*tried 4 times"):
        download(server.url + "/f", target)


def test_a_short_body_is_seen_whatever_the_http_library_does(target: Path) -> None:
    # urllib3 1 does not compare the length of the body with the one announced; 2 does.
    response = SimpleNamespace(status_code=200, headers={"Content-Length": "10"}, iter_content=lambda size: [b"12345"])
    with target.open("wb") as file, pytest.raises(Exception, match="5 of 10 bytes arrived"):
        transfer._receive(response, file, "https://x/f", 100, None)  # type: ignore[arg-type]


def test_redirects_are_followed(server: Server, target: Path) -> None:
    server.replies["/a"] = [send(302, b"", Location="/b")]
    server.replies["/b"] = [send(307, b"", Location=server.url + "/c")]
    server.replies["/c"] = [send()]
    download(server.url + "/a", target)
    assert target.read_bytes() == BODY


def test_a_redirect_to_plain_http_is_refused(server: Server, target: Path) -> None:
    plain = server.url.replace("127.0.0.1", "localhost") + "/f"
    server.replies["/a"] = [send(302, b"", Location=plain)]
    server.replies["/f"] = [send()]
    with pytest.raises(DownloadError, match=r"refused to download from http://localhost.*only https.*redirected"):
        download(server.url + "/a", target)
    assert [request[0] for request in server.seen] == ["/a"], "the plain address was never asked"
    assert target.read_bytes() == b""


@pytest.mark.parametrize("location", ["file:///etc/passwd", "ftp://127.0.0.1/f", "http://[::1/f"])
def test_other_redirects_are_refused(server: Server, target: Path, location: str) -> None:
    server.replies["/a"] = [send(302, b"", Location=location)]
    with pytest.raises(DownloadError, match=r"only https|Invalid IPv6"):
        download(server.url + "/a", target)


def test_a_loop_of_redirects_ends(server: Server, target: Path) -> None:
    server.replies["/a"] = [send(302, b"", Location="/a")]
    with pytest.raises(DownloadError, match="more than 5 redirects"):
        download(server.url + "/a", target)
    assert len(server.seen) == 6


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/f", "http://example.org/f", "file:///etc/passwd", "f"])
def test_only_https_is_used(target: Path, url: str) -> None:
    # no ``server`` fixture: this is what is in force outside these tests
    with pytest.raises(DownloadError, match="only https is allowed"):
        download(url, target)


def test_an_announced_length_over_the_limit_is_refused_before_the_body(server: Server, target: Path) -> None:
    server.replies["/f"] = [send()]
    with pytest.raises(DownloadError, match="300000 bytes where at most 299999 were expected"):
        download(server.url + "/f", target, max_bytes=len(BODY) - 1)
    assert target.read_bytes() == b""


def test_a_body_over_the_limit_is_cut_off(server: Server, target: Path) -> None:
    server.replies["/f"] = [send(length=None)]
    with pytest.raises(DownloadError, match="more than the 1000 bytes"):
        download(server.url + "/f", target, max_bytes=1000)
    assert target.stat().st_size <= 1000


def test_exactly_the_limit_is_fine(server: Server, target: Path) -> None:
    server.replies["/f"] = [send()]
    download(server.url + "/f", target, max_bytes=len(BODY))
    assert target.read_bytes() == BODY


def test_a_senseless_length_is_an_error(server: Server, target: Path) -> None:
    server.replies["/f"] = [send(length=None, Content_Length="²")]
    with pytest.raises(DownloadError, match="cannot download"):
        download(server.url + "/f", target)


def test_a_git_lfs_pointer_is_recognised(server: Server, target: Path) -> None:
    # the text that raw.githubusercontent.com serves for the real YuNet
    pointer = (
        b"version https://git-lfs.github.com/spec/v1\n"
        b"oid sha256:8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4\nsize 232589\n"
    )
    server.replies["/f"] = [send(body=pointer)]
    with pytest.raises(DownloadError, match="Git LFS pointer"):
        download(server.url + "/f", target)


@pytest.mark.parametrize("page", [b"<!DOCTYPE html><title>Log in</title>", b"\n <html>", b"<?xml version='1.0'?>"])
def test_a_web_page_is_recognised(server: Server, target: Path, page: bytes) -> None:
    server.replies["/f"] = [send(body=page)]
    with pytest.raises(DownloadError, match="web page"):
        download(server.url + "/f", target)


def test_no_server_at_all_is_named_in_one_line(server: Server, target: Path) -> None:
    server.close()
    with pytest.raises(DownloadError, match="Connection refused") as caught:
        download(server.url + "/f", target)
    assert "\n" not in str(caught.value)
    assert "Max retries" not in str(caught.value), "the words of the library are left out"


def test_a_silent_server_times_out(server: Server, target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer, "TIMEOUT", (1.0, 0.05))
    monkeypatch.setattr(transfer, "ATTEMPTS", 2)
    done = threading.Event()
    server.replies["/f"] = [lambda request: done.wait(10) and None]
    with pytest.raises(DownloadError, match="timed out"):
        download(server.url + "/f", target)
    done.set()


def test_a_folder_that_is_not_there_is_an_oserror(server: Server, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        download(server.url + "/f", tmp_path / "none" / "f")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("stream", "progress", "expected"),
    [(io.StringIO, None, False), (Terminal, None, True), (Terminal, False, False), (io.StringIO, True, False)],
)
def test_the_bar_is_shown_on_a_terminal_only(
    server: Server,
    target: Path,
    monkeypatch: pytest.MonkeyPatch,
    stream: type[io.StringIO],
    progress: bool | None,
    expected: bool,
) -> None:
    server.replies["/model.h5"] = [send()]
    monkeypatch.setattr(sys, "stderr", stream())
    download(server.url + "/model.h5", target, progress=progress)
    shown = sys.stderr.getvalue()
    assert ("model.h5" in shown) is expected
    assert bool(shown) is expected

"""One file over HTTPS into a path of the caller's: bounded, retried, resumed, never trusted.

What arrives is untrusted until the caller has compared its hash; see :mod:`ghostface_edge.models`.
"""

from __future__ import annotations

import logging
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO
from urllib.parse import urljoin, urlsplit

from . import signatures
from .errors import DownloadError

if TYPE_CHECKING:
    import requests

_log = logging.getLogger(__name__)

MAX_BYTES = 200_000_000
ATTEMPTS = 4
PAUSE = 1.0  # seconds before the second attempt; doubled before each further one
TIMEOUT = (10.0, 30.0)  # seconds to connect, seconds without a byte
MAX_REDIRECTS = 5
CHUNK = 1 << 16

# Plain http would let anyone between here and the server choose the file. Only a test's own server stands in this set.
PLAIN_HTTP_HOSTS: frozenset[str] = frozenset()


class _TransientError(Exception):
    """Worth another attempt; the message is for the log and for the final error."""


def download(url: str, target: Path, *, max_bytes: int = MAX_BYTES, progress: bool | None = None) -> None:
    """Write what ``url`` serves to ``target``, which is created or overwritten.

    A broken transfer is taken up where it stopped if the server still has the same file (``ETag``), and started again
    if not. At the end ``target`` is complete, or an exception says why not; the caller removes it then.

    Args:
        url: An ``https`` address. Redirects are followed, to ``https`` only.
        target: A path that nobody else writes to.
        max_bytes: Refuse a longer file, whatever its length was said to be.
        progress: False: no progress bar. Otherwise a bar on stderr where that is a terminal.

    Raises:
        DownloadError: Not https, refused by the server, cut short again and again, too long, or a web page or a Git LFS
            pointer where a model should be.
        OSError: ``target`` cannot be written.
    """
    import requests

    etag, problem = "", ""
    with requests.Session() as session, target.open("wb") as file:
        for attempt in range(ATTEMPTS):
            if attempt:
                pause = PAUSE * 2 ** (attempt - 1)
                _log.warning("download of %s: %s; trying again in %g s", url, problem, pause)
                time.sleep(pause)
            try:
                with closing(_get(session, url, file.tell(), etag)) as response:
                    etag = response.headers.get("ETag", "")
                    _receive(response, file, url, max_bytes, progress)
                    return
            except _TransientError as error:
                problem = str(error)
            except (requests.ConnectionError, requests.Timeout) as error:
                problem = _reason(error)
            except requests.exceptions.ChunkedEncodingError:
                problem = f"the connection broke after {file.tell()} bytes"
            except (requests.RequestException, ValueError) as error:  # ValueError: a senseless redirect or length
                raise DownloadError(f"cannot download {url}: {error}") from error
    raise DownloadError(f"cannot download {url}: {problem} (tried {ATTEMPTS} times)")


def _get(session: requests.Session, url: str, received: int, etag: str) -> requests.Response:
    """The response whose body is the file, or the rest of it; redirects are followed here so that each is checked."""
    # identity: a length and a range count bytes of the file, not of its compressed form.
    headers = {"Accept-Encoding": "identity"}
    if received and etag and not etag.startswith("W/"):
        headers.update({"Range": f"bytes={received}-", "If-Range": etag})
    hop = url
    for _ in range(MAX_REDIRECTS + 1):
        parts = urlsplit(hop)
        if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in PLAIN_HTTP_HOSTS):
            raise DownloadError(f"refused to download from {hop}: only https is allowed" + _via(url, hop))
        response = session.get(hop, headers=headers, stream=True, allow_redirects=False, timeout=TIMEOUT)
        if not response.is_redirect:
            return _checked(response, url)
        response.close()
        hop = urljoin(hop, response.headers["Location"])
    raise DownloadError(f"cannot download {url}: more than {MAX_REDIRECTS} redirects")


def _reason(error: Exception) -> str:
    """What went wrong, without the stack of wrappers that requests and urllib3 put around it."""
    cause = error.args[0] if error.args else error
    return str(getattr(cause, "reason", cause)).rpartition("): ")[2]


def _via(url: str, hop: str) -> str:
    return "" if hop == url else f" (redirected there from {url})"


def _checked(response: requests.Response, url: str) -> requests.Response:
    status = response.status_code
    if status in (200, 206):
        return response
    response.close()
    text = f"the server answered {status} {response.reason}"
    if status >= 500 or status in (408, 429):
        raise _TransientError(text)
    raise DownloadError(f"cannot download {url}: {text}")


def _receive(response: requests.Response, file: BinaryIO, url: str, max_bytes: int, progress: bool | None) -> None:
    from tqdm import tqdm

    if response.status_code == 200:  # the whole file: no part was asked for, or the server does not do parts
        file.seek(0)
        file.truncate()
    elif not response.headers.get("Content-Range", "").startswith(f"bytes {file.tell()}-"):
        raise DownloadError(f"cannot download {url}: the server sent another part of the file than the one asked for")
    start = file.tell()
    length = response.headers.get("Content-Length", "")
    total = start + int(length) if length.isdigit() else None
    if total is not None and total > max_bytes:
        raise DownloadError(f"refused to download {url}: {total} bytes where at most {max_bytes} were expected")
    # disable=None: no bar where stderr is not a terminal.
    disable = True if progress is False else None
    with tqdm(total=total, initial=start, unit="B", unit_scale=True, desc=_label(url), disable=disable) as bar:
        for chunk in response.iter_content(CHUNK):
            if file.tell() == 0:
                _refuse_page(chunk, url)
            if file.tell() + len(chunk) > max_bytes:
                raise DownloadError(f"refused to download {url}: more than the {max_bytes} bytes that were expected")
            file.write(chunk)
            bar.update(len(chunk))
    if total is not None and file.tell() != total:
        raise _TransientError(f"{file.tell()} of {total} bytes arrived")


def _label(url: str) -> str:
    return urlsplit(url).path.rpartition("/")[2]


def _refuse_page(head: bytes, url: str) -> None:
    """Recognise what servers send in place of a model, by its first bytes."""
    text = head[:512].lstrip().lower()
    if text.startswith(signatures.GIT_LFS):
        raise DownloadError(
            f"cannot download {url}: it serves a Git LFS pointer, not the file. Use the address of the file itself"
        )
    if text.startswith((b"<!doctype", b"<html", b"<?xml", b"<head")):
        raise DownloadError(
            f"cannot download {url}: it serves a web page, not the file. Is there a login page or a filter in between?"
        )

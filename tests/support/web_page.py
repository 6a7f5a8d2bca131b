"""What tests of HTML pages share: a strict parser, what a self-contained page must not have, and a browser."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

VOID = {"meta", "link"}


class Page(HTMLParser):
    """Checks that tags close in order; collects text, tags and attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.stack: list[str] = []
        self.parts: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.feed(text)
        self.close()
        assert not self.stack
        self.text = " ".join(" ".join(self.parts).split())

    def values(self, name: str) -> list[str]:
        return [value for key, value in self.attributes if key == name]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_startendtag(tag, attrs)
        if tag not in VOID:
            self.stack.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.stack.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.stack[-1:] != ["style"]:
            self.parts.append(data)


def check_self_contained(report: str) -> None:
    """It needs and runs nothing else, and its headings and names are in order."""
    page = Page(report)
    assert not {"script", "iframe", "object", "embed", "img", "base", "form", "image", "metadata"} & set(page.tags)
    assert not [key for key, _ in page.attributes if key.startswith("on")]
    ids = page.values("id")
    assert len(ids) == len(set(ids))
    references = page.values("href") + page.values("src") + page.values("aria-labelledby")
    assert {reference.lstrip("#") for reference in references} - set(ids) == {"data:,"}
    assert set(re.findall(r"url\(#([^)]*)\)", report)) <= set(ids)
    assert report.count("url(") == report.count("url(#")
    assert "@import" not in report
    assert "@font-face" not in report
    (policy,) = [value for value in page.values("content") if "default-src" in value]
    assert "default-src 'none'" in policy
    assert "script-src" not in policy
    levels = [int(tag[1]) for tag in page.tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in zip(levels, levels[1:]))


@contextmanager
def chromium_window() -> Iterator[Any]:
    """Chromium without a window, that writes down what it says and what it asks for."""
    webdriver = pytest.importorskip("selenium.webdriver")
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if chromium is None or driver is None:
        pytest.skip("no chromium and chromedriver on the PATH: the report is not tested in a browser")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for switch in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(switch)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    window = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    try:
        yield window
    finally:
        window.quit()


def check_in_browser(browser: Any, path: Path, scheme: str, width: int) -> None:
    """The page opens without a complaint or a request, fits its window, and can be read in that colour scheme."""
    browser.get_log("browser")
    browser.get_log("performance")
    _show(browser, path, scheme, width)

    assert browser.get_log("browser") == []
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    asked = [event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"]
    assert set(asked) - {"data:,"} == {path.as_uri()}

    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    hidden = """return [...document.querySelectorAll("h1, h2, h3, table, svg, figcaption, p")].filter(
        item => { const box = item.getBoundingClientRect(); return box.width < 20 || box.height < 10 }).length"""
    assert browser.execute_script(hidden) == 0
    outside = """return [...document.querySelectorAll("table, svg")].filter(
        item => !item.closest(".box")).length"""
    assert browser.execute_script(outside) == 0
    sizes = """return [...document.querySelectorAll("svg")].map(
        item => [item.getBoundingClientRect().width, item.querySelector("text").getBoundingClientRect().height])"""
    for drawn, letters in browser.execute_script(sizes):
        assert drawn >= 500
        assert letters >= 9
    assert browser.execute_script("return document.querySelectorAll('script').length") == 0

    ink, page = browser.execute_script(
        "const style = getComputedStyle(document.body); return [style.color, style.backgroundColor]"
    )
    assert (_luminance(page) < 0.5) == (scheme == "dark")
    colours = """return [...document.querySelectorAll("p, td, th, small, a, h2, li, dd, svg text")].map(
        item => { const style = getComputedStyle(item);
                  return item.closest("svg") ? style.fill : style.color })"""
    for colour in {ink, *browser.execute_script(colours)}:
        high, low = sorted((_luminance(colour), _luminance(page)), reverse=True)
        assert (high + 0.05) / (low + 0.05) >= 4.5, colour  # WCAG 2.2, 1.4.3


def _show(browser: Any, path: Path, scheme: str, width: int) -> None:
    scheme_feature = {"name": "prefers-color-scheme", "value": scheme}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme_feature]})
    size = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    browser.get(path.as_uri())


def _luminance(colour: str) -> float:
    """Relative luminance of a CSS colour (WCAG 2.2)."""
    channels = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

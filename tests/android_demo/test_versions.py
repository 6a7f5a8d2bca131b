"""Maven builds the app in CI, Android Studio builds it with Gradle: both must build the same thing."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

from ghostface_edge import __version__

DEMO = Path(__file__).resolve().parent.parent.parent / "android_demo"
NAMESPACE = "{http://maven.apache.org/POM/4.0.0}"


def pom(*folders: str) -> ElementTree.Element:
    """The pom.xml of the demo, or of a module."""
    return ElementTree.parse(DEMO.joinpath(*folders, "pom.xml")).getroot()  # noqa: S314 - our own file


def properties() -> dict[str, str]:
    """The versions of pom.xml, by the names that the catalog uses."""
    (element,) = pom().iter(f"{NAMESPACE}properties")
    return {child.tag.replace(NAMESPACE, "").replace(".version", ""): child.text or "" for child in element}


def catalog() -> dict[str, str]:
    """The versions of libs.versions.toml."""
    text = (DEMO / "gradle" / "libs.versions.toml").read_text("utf-8")
    table = text.partition("[versions]\n")[2].partition("\n[")[0]
    return dict(re.findall(r'^([\w-]+) = "(.+)"$', table, re.MULTILINE))


def test_gradle_has_the_versions_of_maven() -> None:
    maven, gradle = properties(), catalog()
    assert gradle.pop("android-gradle-plugin")  # Gradle's alone
    assert len(gradle) >= 9
    assert {name: maven.get(name) for name in gradle} == gradle


def test_every_library_of_a_module_stands_in_both_builds() -> None:
    text = (DEMO / "gradle" / "libs.versions.toml").read_text("utf-8")
    modules = dict(re.findall(r'^([\w-]+) = \{ module = "(.+?)"', text, re.MULTILINE))
    for module in ("core", "app"):
        maven = {
            f"{item.findtext(f'{NAMESPACE}groupId')}:{item.findtext(f'{NAMESPACE}artifactId')}"
            for tag in ("dependency", "artifactItem")
            for item in pom(module).iter(NAMESPACE + tag)
        }
        gradle = (DEMO / module / "build.gradle").read_text("utf-8")
        used = re.findall(r"(?:api|implementation|testImplementation|compileOnly) libs\.([\w.]+)", gradle)
        assert used
        assert {modules[name.replace(".", "-")] for name in used} <= maven


def test_all_have_the_version_of_the_package() -> None:
    for root in (pom(), pom("core"), pom("app")):
        version = root.findtext(f"{NAMESPACE}version") or root.findtext(f"{NAMESPACE}parent/{NAMESPACE}version")
        assert version == __version__
    assert f"versionName = '{__version__}'" in (DEMO / "app" / "build.gradle").read_text("utf-8")


def test_the_app_is_called_alike() -> None:
    gradle = (DEMO / "app" / "build.gradle").read_text("utf-8")
    (package,) = (element.text for element in pom("app").iter(f"{NAMESPACE}package"))
    assert f"namespace = '{package}'" in gradle
    assert f"applicationId = '{package}'" in gradle

"""The page in a real browser: no error on the console, both widths, both themes, and it sorts and filters.

PICTURE names a file for its picture, which `make docs` puts into the README.
"""

import os
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By

from ecr_deploy.page import board, document
from ecr_deploy.page.view import View

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
pytestmark = pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="Chromium and its driver are not installed")

NOW = datetime(2026, 11, 25, 14, 30, tzinfo=UTC)
REGISTRY = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
OPTIONS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def service(place: str, image: str, state: str, since: str, **more: Any) -> dict[str, Any]:
    """A service as `status` answers it."""
    cluster, name = place.split("/")
    digest = "sha256:" + image.encode().hex().ljust(64, "0")[:64]
    images = [{"container": name, "image": f"{REGISTRY}/{image}", "digest": digest, "pushed_at": None}]
    rollout = {"state": state, "since": f"2026-11-{since}:00Z", "reason": more.get("reason")}
    rest = {"waits": more.get("waits", []), "left_alone": more.get("left_alone")}
    return {"cluster": cluster, "service": name, "revision": f"{name}:7", "images": images, "rollout": rollout, **rest}


def waiting(image: str, reason: str, kind: str) -> list[dict[str, Any]]:
    """What waits for a service."""
    return [{"image": f"{REGISTRY}/{image}", "digest": "sha256:" + "0" * 64, "reason": reason, "reason_kind": kind}]


STATUS: dict[str, Any] = {
    "services": [
        service(
            "production/api",
            "shop:v1.4.1",
            "live",
            "24T09:12",
            waits=waiting("shop:v1.5.0", "somebody must approve it", "approval"),
        ),
        service(
            "production/billing",
            "billing:v2.0.3",
            "rolled-back",
            "25T13:58",
            reason="container app: exit 137, OutOfMemoryError; 3 of 3 tasks",
        ),
        service("production/search", "search:v0.9.0", "live", "20T16:40", left_alone="it is pinned by its tag: INC-42"),
        service("production/worker", "shop:v1.4.1", "live", "24T09:13"),
        service("staging/api", "shop:v1.5.0", "live", "25T14:02"),
        service("staging/billing", "billing:v2.0.4", "started", "25T14:27"),
        service("staging/worker", "shop:v1.5.0", "live", "25T14:03"),
    ],
    "freezes": [
        {
            "clusters": ["production"],
            "services": ["search*"],
            "reason": "the index is rebuilt",
            "by": "ann",
            "at": "2026-11-25T08:00:00Z",
            "until": "2026-11-26T08:00:00Z",
        }
    ],
    "unknown": [],
}


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    assert CHROMIUM is not None
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for option in (*OPTIONS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(option)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    with webdriver.Chrome(options=options, service=Service(DRIVER)) as made:
        yield made


def show(browser: webdriver.Chrome, page: Path, *, width: int = 1280, theme: str = "light") -> None:
    metrics = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    features = [{"name": "prefers-color-scheme", "value": theme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    browser.get(page.as_uri())


def services(browser: webdriver.Chrome) -> list[str]:
    """The services that are shown, from the first row to the last."""
    rows = browser.find_elements(By.CSS_SELECTOR, "tbody tr")
    return [row.find_element(By.TAG_NAME, "td").text.split()[0] for row in rows if row.is_displayed()]


def console(browser: webdriver.Chrome) -> list[dict[str, Any]]:
    """What stands on the console since this was last asked."""
    lines: list[dict[str, Any]] = browser.get_log("browser")  # type: ignore[no-untyped-call]
    return [line for line in lines if "favicon" not in line["message"]]


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    written = tmp_path_factory.mktemp("page") / "page.html"
    written.write_text(document.render(STATUS, NOW), encoding="utf-8")
    return written


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_it_fits_and_says_nothing_on_the_console(browser: webdriver.Chrome, page: Path, width: int, theme: str) -> None:
    show(browser, page, width=width, theme=theme)

    assert services(browser)[0] == "production/api"
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    assert console(browser) == []
    body, text = (
        browser.execute_script(f"return getComputedStyle(document.querySelector('{name}')).{property_}")
        for name, property_ in (("body", "backgroundColor"), (".ecr-deploy", "color"))
    )
    assert (body, text) == {
        "light": ("rgba(0, 0, 0, 0)", "rgb(22, 25, 31)"),
        "dark": ("rgb(22, 25, 31)", "rgb(213, 219, 219)"),
    }[theme]


def test_it_sorts_and_filters(browser: webdriver.Chrome, page: Path) -> None:
    show(browser, page)
    [_, _, _, since] = browser.find_elements(By.CSS_SELECTOR, "th[data-sort]")
    since.click()
    assert services(browser)[0] == "production/search"
    since.click()
    assert services(browser)[0] == "staging/billing"

    browser.find_element(By.TAG_NAME, "input").send_keys("SHOP 1.5")
    assert services(browser) == ["staging/worker", "staging/api", "production/api"]
    assert console(browser) == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_widget_fits(browser: webdriver.Chrome, tmp_path: Path, theme: str) -> None:
    """Its buttons are CloudWatch's own elements, which a browser alone does not know."""
    view = View(endpoint="arn:aws:lambda:eu-west-1:123456789012:function:ecr-deploy", is_dark=theme == "dark", by="ann")
    widget = tmp_path / "widget.html"
    hidden = "<!doctype html><meta charset=utf-8><style>cwdb-action{display:none}body{margin:16px}</style>"
    dark = "<style>body{background:#16191f}</style>" if view.is_dark else ""
    widget.write_text(f"{hidden}{dark}{board.render(STATUS, view, NOW)}", encoding="utf-8")

    for width in (390, 1280):
        show(browser, widget, width=width, theme=theme)
        assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    assert console(browser) == []
    if (picture := os.environ.get("PICTURE")) and theme == "light":
        browser.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": 1100, "height": 560, "deviceScaleFactor": 1, "mobile": False},
        )
        assert browser.save_screenshot(picture)

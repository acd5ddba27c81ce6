"""The page in a real browser."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx
    from playwright.sync_api import ConsoleMessage, Page
    from tests.engine.http.conftest import TinyServer

pytestmark = pytest.mark.slow


@pytest.fixture
def page(server: TinyServer) -> Iterator[Page]:
    """The page, opened; any error of its script or its policy fails the test."""
    from playwright import sync_api  # noqa: PLC0415  a browser's driver, for this file only

    chromium = os.environ.get("MIDSPAN_CHROMIUM") or shutil.which("chromium")
    if chromium is None:
        pytest.skip("no chromium; set MIDSPAN_CHROMIUM")
    complaints: list[str] = []
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        opened = browser.new_page()
        opened.on("pageerror", lambda error: complaints.append(str(error)))
        opened.on("console", lambda said: _note(said, complaints))
        opened.goto(server.url)
        yield opened
        browser.close()
    assert complaints == []


def _note(said: ConsoleMessage, complaints: list[str]) -> None:
    # A refusal is an answer that the page shows.
    if said.type == "error" and "Failed to load resource" not in said.text:
        complaints.append(said.text)


def fill(page: Page) -> None:
    page.click("#run")
    page.wait_for_selector('body[data-state="done"]', timeout=60_000)


def test_a_hole_is_filled_step_by_step_with_confidence_as_colour(page: Page) -> None:
    page.fill("#editor", "def f(a, b):\n    return ")
    page.fill("#tokens", "24")
    fill(page)
    passes = int(page.inner_text("#passes"))
    assert passes > 1
    assert page.get_attribute("#pass", "max") == str(passes)
    assert float(page.inner_text("#total-ms")) >= float(page.inner_text("#first-ms")) > 0
    shown = page.locator("#canvas .cell.committed")
    hues = shown.evaluate_all("cells => cells.map(c => c.style.getPropertyValue('--hue'))")
    assert len(set(hues)) > 1
    page.evaluate("document.getElementById('pass').value = 0")
    page.dispatch_event("#pass", "input")
    assert page.locator("#canvas .cell.mask").count() + page.locator("#canvas .cell.guess").count()
    assert page.locator("#canvas .cell.committed").count() < len(hues)


def test_fewer_steps_mean_fewer_passes(page: Page) -> None:
    page.wait_for_function("document.getElementById('effort').value === 'draft'")
    page.fill("#tokens", "32")
    passes = {}
    for steps in ("1", "8"):
        page.fill("#steps", steps)
        page.dispatch_event("#steps", "input")
        fill(page)
        passes[steps] = int(page.inner_text("#passes"))
    assert passes["1"] < passes["8"]


def test_the_answer_can_be_put_into_the_hole(page: Page) -> None:
    page.fill("#editor", "x = \ny = 2\n")
    page.evaluate("document.getElementById('editor').setSelectionRange(4, 4)")
    page.select_option("#scope", "line")
    fill(page)
    page.click("#accept")
    text = page.input_value("#editor")
    assert text.startswith("x = ")
    assert text.endswith("\ny = 2\n")
    assert len(text) > len("x = \ny = 2\n")
    assert page.locator("#hole").count() == 1


def test_a_refusal_is_shown(page: Page, server: TinyServer) -> None:
    page.evaluate("document.getElementById('tokens').value = '0'")
    page.click("#run")
    page.wait_for_selector('body[data-state="failed"]')
    assert "max_tokens" in page.inner_text("#error")
    assert server.is_idle()


def test_the_api_page_lists_every_route(page: Page, server: TinyServer) -> None:
    page.goto(f"{server.url}/docs")
    page.wait_for_selector("section h2")
    headings = page.locator("section h2").all_inner_texts()
    assert "POST /v1/fim/completions" in headings
    assert "GET /metrics" in headings


def test_the_pages_allow_nothing_from_elsewhere(web: httpx.Client) -> None:
    for path in ("/", "/docs"):
        answer = web.get(path)
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "http://" not in answer.text.replace("http://www.w3.org", "")
        assert "https://" not in answer.text
        assert answer.headers["x-content-type-options"] == "nosniff"

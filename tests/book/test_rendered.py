"""The book of a smoke run that lacks two artifacts: it is sound, and in a real browser it is so wide and narrow, light and dark."""

import os
import shutil
import threading
from pathlib import Path

import pytest
from book_prose import PROJECT

from hista_repro.book import check_book
from hista_repro.book.serve import make_server

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
SMOKE_RUN = os.environ.get("HISTA_REPRO_SMOKE_RUN")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1200),
    pytest.mark.skipif(SMOKE_RUN is None, reason="no smoke run is named in HISTA_REPRO_SMOKE_RUN"),
]

WIDTHS, SCHEMES = (1280, 390), ("light", "dark")
MISSING = ("figure-07", "table-09")
ROLLOUT = "notebooks/extra_interactive_rollout.html"
LEFT = "net::ERR_ABORTED"
"""What a request fails with when its page is left."""


@pytest.fixture(scope="module")
def html(tmp_path_factory) -> Path:
    """The pages, which have been checked."""
    root = tmp_path_factory.mktemp("checkout")
    for folder in ("book", "notebooks"):
        shutil.copytree(PROJECT / folder, root / folder)
    for name in ("_config.yml", "_toc.yml", "README.md"):
        shutil.copy2(PROJECT / name, root / name)
    shutil.copytree(SMOKE_RUN, root / "runs" / "smoke")
    for artifact_id in MISSING:
        (root / "runs" / "smoke" / "status" / f"{artifact_id}.json").unlink()
    check_book(root)
    return root / "_build" / "html"


@pytest.fixture(scope="module")
def address(html):
    """Where the pages are served."""
    with make_server(html, 0) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install playwright")
    if CHROMIUM is None:
        pytest.skip("there is no Chromium: apt-get install chromium")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser, address):
    """(path, width, scheme) -> a page that is loaded; complaints of its console are in `complaints`."""
    contexts = []

    def load(path: str, width: int = 1280, scheme: str = "light"):
        contexts.append(browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme))
        page = contexts[-1].new_page()
        page.complaints = []
        page.on("console", lambda message: page.complaints.append(message.text) if message.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: page.complaints.append(str(error)))
        page.on("requestfailed", lambda request: page.complaints.append(request.url) if request.failure != LEFT else None)
        page.goto(f"{address}/{path}", wait_until="load")
        return page

    yield load
    for context in contexts:
        context.close()


def test_the_book_is_sound_with_and_without_runs(html):
    for artifact_id in MISSING:
        page = html / "notebooks" / f"{artifact_id.replace('-', '_')}.html"
        assert "Not run here yet" in page.read_text()
    assert "hista-repro run table-04 --profile smoke" in (html / "notebooks" / "table_04.html").read_text()
    assert (html / "index.html").is_file()


def test_no_page_complains_or_scrolls_sideways(html, open_page, address):
    page = open_page("search.html")
    flaws = []
    paths = [path.relative_to(html) for path in sorted(html.rglob("*.html")) if "_static" not in path.parts]
    for path in paths:
        if path.name == "index.html":  # leads on to the first page
            continue
        page.complaints.clear()
        page.goto(f"{address}/{path}", wait_until="load")
        for width, scheme in zip(WIDTHS, SCHEMES, strict=True):
            page.set_viewport_size({"width": width, "height": 900})
            page.emulate_media(color_scheme=scheme)
            page.wait_for_function("theme => document.documentElement.dataset.theme == theme", arg=scheme, timeout=5000)
            wider = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
            flaws += [f"{path}: {wider} pixels too wide for {width}, {scheme}"] if wider > 0 else []
        flaws += [f"{path}: {complaint}" for complaint in page.complaints]
    assert flaws == []


def test_the_answer_is_one_click_from_the_first_page(open_page):
    page = open_page("index.html")
    page.wait_for_url("**/book/intro.html")
    page.locator("article").get_by_role("link", name="Should I use Hista?").first.click()
    assert page.locator("article h1").inner_text().startswith("Should I use Hista?")


def test_search_finds_leave_one_out(open_page):
    page = open_page("search.html?q=leave-one-out")
    page.wait_for_selector("#search-results li")
    assert page.locator("#search-results li a", has_text="Glossary").count()


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", WIDTHS)
def test_the_rollout_answers_to_mouse_keys_and_choices(open_page, width, scheme):
    page = open_page(ROLLOUT, width, scheme)
    tokens, panel = page.locator(".rv-tokens button"), page.locator(".rv-panel")
    tokens.nth(3).hover()
    assert "After 3 tokens" in panel.inner_text() and "hista-loo" in panel.inner_text()
    assert tokens.nth(3).get_attribute("aria-pressed") == "true"
    tokens.nth(3).focus()
    page.keyboard.press("ArrowRight")
    assert "After 4 tokens" in panel.inner_text()
    assert page.evaluate("document.activeElement.dataset.token") == "4"
    page.keyboard.press("Home")
    assert "Before the first token" in panel.inner_text()
    page.keyboard.press("End")
    assert tokens.last.get_attribute("aria-pressed") == "true"
    first = tokens.all_inner_texts()
    page.locator(".rv-rollout").select_option("1")
    assert tokens.all_inner_texts() != first
    before = tokens.nth(5).get_attribute("style")
    page.locator(".rv-fill").select_option("ramp")
    assert tokens.nth(5).get_attribute("style") != before
    assert page.complaints == []


def test_the_rollout_draws_a_line_for_each_estimator_and_a_dot_for_each_state(open_page):
    page = open_page(ROLLOUT)
    chart = page.locator(".rollout-view svg")
    assert chart.locator("polyline").count() == 6
    assert chart.locator("circle").count() == page.locator(".rv-tokens button").count()

"""The page in a browser: search, filters, pages, neighbours, keys; and documents that would break into it."""

from __future__ import annotations

import re
import shutil

import pytest

from counterpoint.search import Index
from counterpoint.serving.service import Service
from serving.sites import IMAGE, SCRIPT, site

sync_api = pytest.importorskip("playwright.sync_api", reason="the page is not tested: playwright is not installed")
CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome"))), None
)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="the page is not tested: there is no Chromium")


@pytest.fixture(scope="module")
def browser():
    with sync_api.sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


@pytest.fixture
def page(browser, reading):
    """The page, which must not complain: not of its policy, nor of an error of its own."""
    page = browser.new_page(viewport={"width": 900, "height": 800})
    said = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(f"http://127.0.0.1:{reading.port}/")
    page.wait_for_selector("#ask:not([hidden])")
    yield page
    page.close()
    assert not said


def until(page, expression, argument=None):
    """Wait until this holds. Playwright's own way of waiting needs eval, which the page's policy forbids."""
    for _ in range(500):
        if page.evaluate(expression, argument):
            return
        page.wait_for_timeout(20)
    raise AssertionError(expression)


def search(page, words):
    page.fill("#q", words)
    page.press("#q", "Enter")
    until(page, "words => document.title.startsWith(words)", words)
    settled(page)


def settled(page):
    until(page, "document.querySelector('#said').textContent && !document.querySelector('.waiting')")


def ids(page):
    return page.locator("#hits h2").all_inner_texts()


def test_it_shows_what_is_found(page, reading):
    assert "403 documents" in page.inner_text("header")
    search(page, "games of chess")
    hits = reading.get("/search?q=games%20of%20chess").json["hits"]
    assert ids(page) == [hit["id"] for hit in hits]
    assert page.locator(".score").first.inner_text() == f"{hits[0]['score']:.3f}"
    marked = {word.lower() for word in page.locator("mark").all_inner_texts()}
    assert {"chess", "game"} <= marked <= {"chess", "game", "games", "gaming"}
    assert re.fullmatch(r"1 to 10, in \d+ ms", page.inner_text("#said"))
    page.click("text=Meaning alone")
    page.wait_for_url("**mode=dense**")
    settled(page)
    assert ids(page) == [hit["id"] for hit in reading.get("/search?q=games%20of%20chess&mode=dense").json["hits"]]
    page.go_back()
    until(page, "document.querySelector('[value=hybrid]').checked")


def test_filters_and_pages(page, reading):
    search(page, "a library")
    first = ids(page)
    page.click("#next")
    until(page, "document.querySelector('#page').textContent === 'Page 2'")
    settled(page)
    assert not set(ids(page)) & set(first)
    page.click("#more")
    page.select_option("#column", "letter")
    page.fill("#value", "t")
    page.press("#value", "Enter")
    page.wait_for_selector(".chip.on")
    settled(page)
    assert page.inner_text(".chip.on") == 'letter = "t" ×'
    found = reading.get("/search?q=a%20library&where=letter%20%3D%20t").json["hits"]
    assert ids(page) == [hit["id"] for hit in found]
    page.locator("article .chip", has_text="short: false").first.click()
    until(page, "document.querySelectorAll('.chip.on').length === 2")
    page.reload()
    until(page, "document.querySelectorAll('.chip.on').length === 2")
    page.locator(".chip.on").first.click()
    until(page, "document.querySelectorAll('.chip.on').length === 1")


def test_more_like_this_by_keys(page, reading):
    search(page, "chess")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowUp")
    name = page.evaluate("document.activeElement.dataset.id")
    assert name == ids(page)[0]
    page.keyboard.press("Enter")
    page.wait_for_selector("#leave")
    assert ids(page) == [hit["id"] for hit in reading.get(f"/neighbours/{name}").json["hits"]]
    page.click("#leave")
    until(page, "!document.querySelector('#leave')")
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.id") == "q"
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") == "q"
    assert page.input_value("#q") == "chess"


def test_documents_do_not_break_in(page):
    search(page, f"break in {SCRIPT}")
    assert {SCRIPT, IMAGE} <= set(ids(page))
    assert page.locator("#hits script, #hits img[src=x], #hits [onerror]").count() == 0
    for name in (SCRIPT, IMAGE):
        page.locator("article", has=page.locator("h2", has_text=name)).get_by_text("More like this").click()
        page.wait_for_selector("#leave")
        assert page.inner_text("#said").startswith(f"Nearest to {name}")
        page.click("#leave")
        until(page, "!document.querySelector('#leave')")
        settled(page)
    page.locator("article .chip", has_text="note").first.click()
    page.wait_for_selector(".chip.on")
    settled(page)
    assert len(ids(page)) == 1
    assert "broken into" not in page.evaluate("document.title.replace(/^break in.*/, '')")


def test_pictures_are_shown(page):
    search(page, "a red picture")
    until(page, "document.querySelector('article img')?.naturalWidth === 1")
    assert page.locator("article.pictured h2").all_inner_texts() == ["sub/red.png"]


def test_a_bad_filter_is_told_and_a_narrow_screen_is_not_scrolled_sideways(browser, reading):
    page = browser.new_page(viewport={"width": 360, "height": 700}, color_scheme="dark")
    page.goto(f"http://127.0.0.1:{reading.port}/?q=chess&where=length+%3D+long")
    page.wait_for_selector("#said.bad")
    assert "the column length holds numbers" in page.inner_text("#said")
    search(page, "picture")
    page.locator(".chip.on").click()
    page.wait_for_selector("article")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ground == "rgb(20, 23, 26)"
    page.close()


def test_the_token_is_asked_for_and_kept_in_the_tab(browser, encoder, place):
    with site(Service(encoder, "packages", Index.open(place / "index")), token="s3cret") as running:
        page = browser.new_page()
        page.goto(f"http://127.0.0.1:{running.port}/")
        page.wait_for_selector("#unlock:not([hidden])")
        page.fill("#token", "wrong")
        page.press("#token", "Enter")
        page.wait_for_selector("#said.bad")
        assert page.inner_text("#said") == "That token is not the server's."
        page.fill("#token", "s3cret")
        page.press("#token", "Enter")
        page.wait_for_selector("#ask:not([hidden])")
        search(page, "chess")
        page.reload()
        page.wait_for_selector("article")
        assert page.evaluate("[localStorage.length, document.cookie]") == [0, ""]
        page.close()

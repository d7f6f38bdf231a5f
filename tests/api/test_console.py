"""The console in a real browser: it shows what is there, obeys nothing that the log says, and works by keyboard."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.api.conftest import MARKUP, TOKENS, Server

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="no chromium on this machine (Debian: apt-get install chromium)"
)
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser, server: Server) -> Iterator[Page]:
    """A signed-in page; the test fails on any script error, or request to another host."""
    yield from opened(browser, server)


def opened(browser: Browser, server: Server, token: str = "all", **options: object) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1280, "height": 900}, **options)  # type: ignore[arg-type]
    context.set_default_timeout(15_000)
    page = context.new_page()
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on(
        "console",
        lambda message: (
            wrong.append(message.text)
            if message.type == "error" and "Failed to load resource" not in message.text
            else None
        ),
    )
    page.on(
        "request", lambda request: None if request.url.startswith((server.url, "data:")) else wrong.append(request.url)
    )
    page.goto(f"{server.url}/#token={TOKENS[token]}")
    yield page
    context.close()
    assert wrong == []


def test_findings_are_listed_and_lead_to_the_story(page: Page) -> None:
    """From the list to a finding, its evidence, and the event behind it, each one click away."""
    expect(page.locator("tbody tr").first).to_contain_text("critical", ignore_case=True)
    page.get_by_label("critical").check()
    expect(page).to_have_url(re.compile("severity=critical"))
    page.locator("tbody tr", has_text="Somebody was made administrator").first.click()
    expect(page.locator("h1")).to_have_text("Somebody was made administrator")
    expect(page.get_by_text("What to check")).to_be_visible()
    page.locator("tbody tr[data-row]").first.click()
    expect(page.locator("h1")).to_contain_text("clusterrolebindings")
    expect(page.locator("pre").last).to_contain_text('"kind": "Event"')


def test_the_token_leaves_the_address(page: Page) -> None:
    """Neither the address bar nor the history keeps the token."""
    expect(page.locator("h1")).to_have_text("Findings")

    assert TOKENS["all"] not in page.url
    assert (
        TOKENS["all"]
        not in page.evaluate("JSON.stringify(performance.getEntries().map(e => e.name))").replace(page.url, "")
        or "#token" not in page.url
    )


def test_what_the_log_says_is_text(page: Page) -> None:
    """Markup in user names, user agents, object names and bodies is shown as it is and never runs."""
    for place in (
        "#/findings",
        "#/timeline?cluster=mine",
        "#/identity/" + "%3Cimg",
        "#/search?text=onerror",
        "#/secrets",
        "#/sessions",
    ):
        page.goto(page.url.split("#")[0] + place)
        page.wait_for_selector("main:not([aria-busy])")
    page.goto(page.url.split("#")[0] + "#/timeline?cluster=mine")
    expect(page.locator("tbody tr").first).to_contain_text(MARKUP)
    page.locator("tbody tr[data-row]:not(.finding)").first.locator("td").first.click()
    expect(page.locator("pre").last).to_contain_text("<script>")

    assert page.evaluate("window.pwned") is None
    assert page.locator("main img").count() == 0


def test_a_timeline_zooms(page: Page) -> None:
    """Dragging over the chart narrows the range; a double click widens it; plus and minus do so by keyboard."""
    page.goto(page.url.split("#")[0] + "#/timeline?user=mallory")
    canvas = page.locator("canvas")
    expect(canvas).to_be_visible()
    box = canvas.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 100, box["y"] + 50)
    page.mouse.down()
    page.mouse.move(box["x"] + 500, box["y"] + 50, steps=5)
    page.mouse.up()
    expect(page).to_have_url(re.compile("since=.*until="))
    page.locator("canvas").dblclick()
    expect(page).not_to_have_url(re.compile("since="))
    for _ in range(20):  # the page draws itself anew after the double click; a key meant for the old chart is lost
        page.locator("canvas").focus()
        page.keyboard.press("+")
        if "since=" in page.url:
            break
        page.wait_for_timeout(250)
    expect(page).to_have_url(re.compile("since="))


def test_filters_narrow_the_timeline(page: Page) -> None:
    """What is filled in is what is shown, and stands in the address, so that it can be shared."""
    page.goto(page.url.split("#")[0] + "#/timeline")
    page.get_by_label("User", exact=True).fill("mallory")
    page.get_by_label("Resource").fill("secrets")
    page.get_by_role("button", name="Show").click()
    expect(page).to_have_url(re.compile("user=mallory.*resource=secrets"))
    expect(page.locator("tbody tr:not(.finding)").first).to_contain_text("mallory")

    shown = page.locator("tbody tr:not(.finding) td[data-label='resource']").all_inner_texts()
    assert shown
    assert set(shown) == {"secrets"}


def test_an_identity_and_an_object_have_pages(page: Page) -> None:
    """Who it is and what it does; what was written to an object and what changed."""
    base = page.url.split("#")[0]
    page.goto(base + "#/identity/https%3A%2F%2Flogin.corp.example%23bob")
    expect(page.locator("h1")).to_have_text("https://login.corp.example#bob")
    expect(page.get_by_role("heading", name="What it does")).to_be_visible()
    page.goto(base + "#/object/deployments/shop-prod/worker")
    expect(page.locator(".changes").first).to_contain_text("privileged true")


def test_sql_is_asked_and_errors_are_told(page: Page) -> None:
    """A SELECT shows its rows; anything else its reason."""
    page.goto(page.url.split("#")[0] + "#/sql")
    page.get_by_label("SQL", exact=True).fill("SELECT 6 * 7 AS answer")
    page.keyboard.press("Control+Enter")
    expect(page.locator("tbody td")).to_have_text("42")
    page.get_by_label("SQL", exact=True).fill("DROP TABLE events")
    page.get_by_role("button", name="Run").click()
    expect(page.get_by_role("alert")).to_contain_text("exactly one SELECT")


def test_it_works_by_keyboard_alone(page: Page) -> None:
    """Numbers choose pages, j and k walk the rows, Enter opens one."""
    expect(page.locator("tbody tr").first).to_be_visible()
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("k")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("#/finding/"))
    page.keyboard.press("3")
    expect(page).to_have_url(re.compile("#/timeline"))


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_phones_and_desks_by_day_and_night(browser: Browser, server: Server, width: int, scheme: str) -> None:
    """No page is wider than its window, and text stands out from its ground in both schemes."""
    for page in opened(browser, server, color_scheme=scheme):
        page.set_viewport_size({"width": width, "height": 800})
        for place in ("findings", "timeline?user=mallory", "identity/mallory", "sessions", "secrets", "sql"):
            page.goto(page.url.split("#")[0] + "#/" + place)
            page.wait_for_selector("main:not([aria-busy]) h1")
            assert page.evaluate("document.documentElement.scrollWidth") <= width, place
        colours = page.evaluate(
            "[getComputedStyle(document.body).color, getComputedStyle(document.body).backgroundColor]"
        )
        assert contrast(*colours) > 7


def contrast(one: str, other: str) -> float:
    """The contrast of two CSS colours, as WCAG 2 defines it."""

    def luminance(colour: str) -> float:
        parts = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
        linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_a_stranger_is_asked_for_a_token(browser: Browser, server: Server) -> None:
    """Without a valid token there is nothing but the question who is looking; a right one opens the page."""
    for page in opened(browser, server, "nobody"):
        expect(page.locator("h1")).to_have_text("Who is looking?")
        page.get_by_label("Token").fill(TOKENS["mine"])
        page.get_by_role("button", name="Look").click()
        expect(page.locator("h1")).to_have_text("Findings")
        assert "attacks" not in page.locator("main").inner_text()

"""The report in a real browser: it draws, answers, keeps to itself, and shows every name as text."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from playwright.sync_api import Browser, Page
from studies import write_study

from analysis.report import write_report
from study.record import write_frame

HOSTILE = (
    '<img src=x onerror="window.hit=1"> <b>bold</b> %{x} &lt;i&gt; $a$ {arm} </script><script>hit=1</script>'
)
DRAWN = "!document.querySelector('.panel:not([hidden]) .live:not([data-drawn])')"
WATCH = """window.refused = [];
document.addEventListener('securitypolicyviolation', event => refused.push(event.violatedDirective));"""


def until(page: Page, condition: str, seconds: float = 20.0) -> None:
    """Wait for a condition; playwright's own way evaluates text in the page, which its policy refuses."""
    for _ in range(int(seconds / 0.05)):
        if page.evaluate(condition):
            return
        page.wait_for_timeout(50)
    raise AssertionError(condition)


@dataclass
class Visit:
    """An open page, and everything that it asked for or complained of."""

    page: Page
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def tab(self, name: str) -> None:
        self.page.get_by_role("tab", name=name).click()
        until(self.page, DRAWN)

    def rests(self) -> None:
        """Nothing was asked for but the file, nothing complained of, nothing refused, nothing run."""
        assert self.complaints == []
        assert self.page.evaluate("refused") == []
        assert self.page.evaluate("window.hit") is None
        assert [url for url in self.requests if not url.startswith(("data:", "blob:"))] == [
            self.page.url.split("#")[0]
        ]


def visit(browser: Browser, report: Path, **settings: object) -> Iterator[Visit]:
    page = browser.new_page(**settings)
    seen = Visit(page)
    page.on("request", lambda request: seen.requests.append(request.url))
    page.on("console", lambda message: seen.complaints.append(message.text))
    page.on("pageerror", lambda error: seen.complaints.append(str(error)))
    page.add_init_script(WATCH)
    page.goto(report.resolve().as_uri())
    yield seen
    page.close()


@pytest.fixture(scope="module")
def reported(finished: Path) -> Path:
    return write_report(finished)


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of a study whose scans and one of whose arms are named by somebody who means harm."""
    study = write_study(tmp_path_factory.mktemp("hostile") / "study")
    for path in study.glob("*.parquet"):
        frame = pd.read_parquet(path)
        for name in frame.columns.intersection(["scan", "site", "reason"]):
            frame[name] = frame[name].where(frame[name].isna(), frame[name].astype(str) + HOSTILE)
        frame["arm"] = frame["arm"].replace("dropout", HOSTILE) if "arm" in frame else None
        write_frame(path, frame)
    return write_report(study)


@pytest.fixture
def light(chromium: Browser, reported: Path) -> Iterator[Visit]:
    yield from visit(chromium, reported)


def texts(page: Page, selector: str) -> list[str]:
    found: list[str] = page.evaluate(
        f"[...document.querySelectorAll('{selector}')].map(one => one.textContent)"
    )
    return found


def point_at(page: Page, title: str, curve: int = 1) -> str:
    """What is shown beside the first point of a trace of the figure under a heading."""
    place = page.locator("section", has=page.get_by_role("heading", name=title, exact=True)).locator(
        ".live > div"
    )
    place.scroll_into_view_if_needed()
    x, y = place.evaluate(
        """(place, curve) => { const {xaxis, yaxis} = place._fullData[curve], full = place._fullLayout;
          const [x, y] = [xaxis, yaxis].map(name => full[name.slice(0, 1) + 'axis' + name.slice(1)]);
          const box = place.getBoundingClientRect(), trace = place._fullData[curve];
          const at = Array.from(trace.x).findIndex((value, i) => value !== null && trace.y[i] !== null);
          return [box.x + x._offset + x.d2p(trace.x[at]), box.y + y._offset + y.d2p(trace.y[at])]; }""",
        curve,
    )
    page.mouse.move(x + 40, y + 40)
    page.mouse.move(x, y)
    page.wait_for_selector(".hoverlayer text")
    return " ".join(texts(page, ".hoverlayer text"))


def test_every_tab_draws_its_figures_without_a_complaint_or_a_request(light: Visit):
    names = texts(light.page, "[role=tab]")
    assert names == ["Result", "Agreement", "Largest errors", "Trade-offs", "Search", "Provenance"]
    for name in names:
        light.tab(name)
        assert light.page.locator(".panel:visible").count() == 1
        for place in light.page.locator(".live:visible").all():
            assert place.locator("svg.main-svg").first.bounding_box()["height"] > 150
            assert place.locator(".trace, .scatterlayer path, .point").count() > 3
    assert light.page.locator(".js-plotly-plot").count() == 8
    light.rests()


def test_tabs_are_worked_by_keyboard_and_address(light: Visit):
    page = light.page
    page.get_by_role("tab", name="Result").focus()
    for key, name in [
        ("ArrowRight", "Agreement"),
        ("End", "Provenance"),
        ("ArrowRight", "Result"),
        ("ArrowLeft", "Provenance"),
        ("Home", "Result"),
    ]:
        page.keyboard.press(key)
        assert page.evaluate("document.activeElement.textContent") == name
        selected = page.locator("[role=tab][aria-selected=true]")
        assert selected.count() == 1
        assert selected.get_attribute("tabindex") == "0"
        assert page.locator("[role=tab][tabindex='-1']").count() == 5
        panel = page.locator(f"#{selected.get_attribute('aria-controls')}")
        assert panel.is_visible()
        assert panel.get_attribute("aria-labelledby") == selected.get_attribute("id")
    page.goto(page.url.split("#")[0] + "#part-4")
    assert texts(page, "[aria-selected=true]") == ["Search"]
    light.rests()


def test_a_point_tells_its_scan_and_its_trial(light: Visit, finished: Path):
    predictions = pd.read_parquet(finished / "predictions.parquet")
    light.tab("Agreement")
    shown = point_at(light.page, "Predicted and true")
    assert any(scan in shown for scan in predictions.loc[predictions["cohort"] == "test", "scan"])
    assert "<i>" in shown, "an id of this study holds a tag"
    light.tab("Trade-offs")
    assert "MSE" in point_at(light.page, "Error against regularisation strength", 0)
    light.tab("Search")
    assert "presentations: MSE" in point_at(light.page, "Validation curves", 0)
    assert "#" in point_at(light.page, "Configurations and their scores", 0)
    assert "searched" in point_at(light.page, "Searched and confirmed", 1)
    light.rests()


def test_hostile_names_are_shown_letter_by_letter(chromium: Browser, hostile: Path):
    for seen in visit(chromium, hostile):
        for name in texts(seen.page, "[role=tab]"):
            seen.tab(name)
        assert seen.page.locator("img:not([src^='data:'])").count() == 0
        seen.tab("Agreement")
        assert HOSTILE in " ".join(texts(seen.page, "#part-1 td"))
        shown = point_at(seen.page, "Predicted and true")
        assert " ".join(HOSTILE.split()) in shown.replace("\xa0", " ")
        titles = " ".join(texts(seen.page, "#part-1 .annotation-text"))
        assert HOSTILE[:25] in titles
        seen.rests()


def test_the_dark_is_dark_and_its_figures_are_readable_there(chromium: Browser, reported: Path):
    for seen in visit(chromium, reported, color_scheme="dark"):
        seen.tab("Agreement")
        ground = seen.page.locator(".live:visible").first.evaluate(
            "place => getComputedStyle(place).backgroundColor"
        )
        letters = seen.page.locator(".xtick text").first.evaluate("text => getComputedStyle(text).fill")
        points = seen.page.locator(".points path").first.evaluate("path => getComputedStyle(path).fill")
        assert luminance(ground) < 0.03
        assert contrast(letters, ground) > 7
        assert contrast(points, ground) > 3
        seen.page.emulate_media(color_scheme="light")
        until(
            seen.page,
            "getComputedStyle(document.querySelector('.xtick text')).fill === 'rgb(29, 33, 38)'",
        )
        seen.rests()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_text_stands_out_from_its_ground(chromium: Browser, reported: Path, scheme: str):
    """4.5 to 1, as WCAG 2.2 asks of text."""
    for seen in visit(chromium, reported, color_scheme=scheme):
        colours = "name => getComputedStyle(document.documentElement).getPropertyValue('--' + name)"
        for ink in ("ink", "soft", "mark"):
            for ground in ("page", "card", "stripe"):
                pair = [seen.page.evaluate(colours, name).strip() for name in (ink, ground)]
                assert contrast(*pair) >= 4.5, (ink, ground)


def test_on_paper_every_tab_and_drawing_is_there_and_nothing_live(chromium: Browser, reported: Path):
    for seen in visit(chromium, reported, color_scheme="dark"):
        seen.page.emulate_media(media="print", color_scheme="light")
        assert seen.page.locator(".panel:visible").count() == 6
        assert seen.page.locator("figure img:visible").count() == 14
        assert seen.page.locator(".live:visible").count() == 0
        assert seen.page.locator("nav:visible").count() == 0
        assert seen.page.locator("h2:visible").count() == 6
        assert len(seen.page.pdf(format="A4")) > 50_000
        seen.rests()


def test_without_scripts_every_section_and_drawing_is_there(chromium: Browser, reported: Path):
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(reported.resolve().as_uri())
    assert page.locator(".panel:visible").count() == 6
    assert page.locator("figure img:visible").count() == 14
    assert page.locator(".live:visible").count() == 0
    context.close()


def test_a_narrow_screen_scrolls_figures_and_tables_but_not_the_page(chromium: Browser, hostile: Path):
    for seen in visit(chromium, hostile, viewport={"width": 390, "height": 800}):
        for name in texts(seen.page, "[role=tab]"):
            seen.tab(name)
            assert seen.page.evaluate("document.documentElement.scrollWidth") <= 390, name


def luminance(colour: str) -> float:
    """Relative luminance of `rgb(…)` or `#…` (WCAG 2.2)."""
    if colour.startswith("#"):
        channels = [int(colour[at : at + 2], 16) for at in (1, 3, 5)]
    else:
        channels = [float(part) for part in colour[colour.index("(") + 1 : -1].split(",")[:3]]
    parts = np.array(channels) / 255
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def contrast(one: str, other: str) -> float:
    """Contrast ratio of two colours (WCAG 2.2)."""
    low, high = sorted([luminance(one), luminance(other)])
    return (high + 0.05) / (low + 0.05)

"""The cards of culture, bias and cost in a browser: nothing sticks out of them, on a wide screen and on a telephone."""

import os
from types import MappingProxyType

import polars as pl
import pytest

from cityfolk.reports.control_inputs import ControlShown
from cityfolk.reports.preference_inputs import PreferencesShown
from cityfolk.reports.preference_page import build_preference_page
from cityfolk.stages import control_bias, control_cost, control_culture, control_jobs, control_refusals
from cityfolk.stages.ask_control import AskOptions
from cityfolk.study.folder import FINDING_SCHEMA, Study
from tests.reports import browser
from tests.stages.test_control_cost import Reader, Rude, Talker
from tests.stages.test_control_culture import Judging, Telling

WIDTHS = (1280, 400)
OUT = """[...document.querySelectorAll('#control .card')].flatMap((card) => {
  const edge = card.getBoundingClientRect();
  return [...card.querySelectorAll('*')]
    .filter((one) => !one.closest('.scroll') || one.classList.contains('scroll'))
    .filter((one) => { const box = one.getBoundingClientRect();
      return box.width && (box.right > edge.right + 1 || box.left < edge.left - 1); })
    .map((one) => card.querySelector('h3').textContent + ': ' + one.outerHTML.slice(0, 120));
})"""
OVER = """[...document.querySelectorAll('#control .card')].flatMap((card) => {
  const boxes = [...card.querySelectorAll('h3,h4,p,li,svg,figure,.scroll')]
    .filter((one) => !one.closest('.scroll') || one.classList.contains('scroll'))
    .filter((one) => ![...one.children].some((child) => child.matches('h3,h4,p,li,svg,figure,.scroll')))
    .map((one) => [one, one.getBoundingClientRect()]).filter(([, box]) => box.width && box.height);
  return boxes.flatMap(([one, a], at) => boxes.slice(at + 1)
    .filter(([other, b]) => !one.contains(other) && !other.contains(one)
      && Math.min(a.right, b.right) - Math.max(a.left, b.left) > 2
      && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 2)
    .map(([other]) => one.outerHTML.slice(0, 80) + ' lies on ' + other.outerHTML.slice(0, 80)));
})"""


@pytest.fixture
def measured(tmp_path, monkeypatch):
    """Sheets of planted models: one whose nationality leaks, one with stereotypes, one that is rude and judged."""
    known = {"leaking": Telling(leak=True), "judging": Judging(), "talker": Talker(), "reader": Reader()}
    for room in (control_jobs, control_refusals):
        monkeypatch.setattr(room, "load_engines", lambda specs, limits=None: [known[spec] for spec in specs])
    monkeypatch.setattr(control_culture, "SIZES", {"quick": control_culture.Size(topics=4, where=5, who=3)})
    monkeypatch.setattr(control_cost, "SIZES", MappingProxyType({"quick": (2, 8)}))
    with Study.open(tmp_path / "s", create=True) as study:
        for part, name in ((control_culture, "leaking"), (control_bias, "judging"), (control_cost, "talker")):
            judge = "reader" if part is control_cost else ""
            part.give(study, AskOptions(preset="quick", engines=(name,), judges=("grammar",), refusal_judge=judge))
        found = [*control_culture.evidence(study), *control_bias.evidence(study)]
        found += control_cost.evidence(study, classifiers=[Rude()])
        details = study.read(control_culture.DETAILS)
    rows = [{name: getattr(one, name) for name in FINDING_SCHEMA} for one in found]
    return ControlShown(findings=pl.DataFrame(rows, schema=FINDING_SCHEMA), details=details)


@pytest.mark.long
def test_the_cards_of_culture_bias_and_cost_fit(tmp_path, measured):
    browser.needed()

    async def fitting(tab):
        await tab.run("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
        found = {"titles": await tab.run("[...document.querySelectorAll('#control h3')].map((one) => one.textContent)")}
        for width in WIDTHS:
            await tab.size(width)
            wide = await tab.run("document.documentElement.scrollWidth")
            found[width] = wide, await tab.run(OUT), await tab.run(OVER)
            if os.environ.get("PICTURES"):
                await tab.picture(f"{os.environ['PICTURES']}/control-{width}.png")
        await tab.size(WIDTHS[0])
        return found

    path = tmp_path / "page.html"
    path.write_text(build_preference_page(PreferencesShown(findings=measured.findings, control=measured)), "utf-8")
    found = browser.checked(path, fitting)
    for title in ("Emotions by archetype and pole", "Largest differences between backgrounds", "What it costs"):
        assert title in found["titles"]
    for width in WIDTHS:
        wide, out, over = found[width]
        assert wide <= width and out == over == [], (width, wide, out, over)

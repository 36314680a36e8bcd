"""Sheets for people: blind, the same answers for everybody, read back as they were filled in."""

import asyncio
import csv
import io
import json
import re

import polars as pl
import pytest

from cityfolk.errors import DataError, UsageError
from cityfolk.personality.words import CUTS
from cityfolk.preferences.judging import Item
from cityfolk.preferences.judging.sheet_page import sheet_page
from cityfolk.preferences.judging.sheets import (
    LEVELS,
    PERCENTILES,
    draw_sheet,
    instructions,
    rated,
    read_ratings,
    sheet_csv,
)
from cityfolk.stages.judge_people import make_sheet, read_sheet
from cityfolk.study.folder import Study
from cityfolk.vocabulary import TRAITS
from tests.preferences.judging.cases import study
from tests.reports import browser

IDS = [f"{number:016x}" for number in range(500)]
HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)> \u2028 `${1}` \"quoted\" 'single'"


def items(ids, text="An answer."):
    return {answer: Item(answer_id=answer, question="What?", text=text) for answer in ids}


def test_every_tenth_comes_twice_and_far_apart():
    for n in (1, 2, 10, 60, 75):
        sheet = draw_sheet(IDS, "anna", n, 0)
        assert len(set(sheet.answers)) == n
        twice = {answer for answer in sheet.answers if sheet.answers.count(answer) == 2}
        assert len(sheet.answers) == n + len(twice) and len(twice) == (0 if n < 2 else -(-n // 10))
        for answer in twice:
            first = sheet.answers.index(answer)
            assert sheet.answers.index(answer, first + 1) - first > n // 4
        assert len(set(sheet.numbers)) == len(sheet.numbers)


def test_everybody_gets_the_same_answers_in_their_own_order():
    anna, ben, more = (
        draw_sheet(IDS, "anna", 40, 3),
        draw_sheet(IDS[::-1], "ben", 40, 3),
        draw_sheet(IDS, "anna", 50, 3),
    )
    assert set(anna.answers) == set(ben.answers) < set(more.answers)
    assert anna.answers != ben.answers and anna.sheet != ben.sheet
    assert draw_sheet(IDS[::-1], "anna", 40, 3) == anna
    assert set(draw_sheet(IDS, "anna", 40, 4).answers) != set(anna.answers)


def test_levels_stand_for_the_middles_of_their_bands():
    assert pytest.approx((0.025, 0.125, 0.3, 0.5, 0.7, 0.875, 0.975)) == PERCENTILES
    assert len(LEVELS) == len(CUTS) + 1


def test_names_are_checked():
    for wrong in ("", "a b", "../x"):
        with pytest.raises(UsageError, match="cannot be called"):
            draw_sheet(IDS, wrong, 5, 0)
    with pytest.raises(DataError, match="no answers"):
        draw_sheet([], "anna", 5, 0)


def filled(text, level):
    """Fill a sheet's CSV in: `level(line, trait)` gives what is written."""
    rows = list(csv.DictReader(io.StringIO(text)))
    out = io.StringIO()
    writer = csv.DictWriter(out, rows[0].keys())
    writer.writeheader()
    for line, row in enumerate(rows):
        writer.writerow(row | {trait: level(line, trait) for trait in TRAITS})
    return out.getvalue()


def test_a_filled_in_sheet_is_read_back(tmp_path):
    sheet = draw_sheet(IDS, "anna", 20, 0)
    path = tmp_path / "filled.csv"
    path.write_text(filled(sheet_csv(sheet, items(sheet.answers)), lambda line, trait: str(1 + line % 7)))
    number, ratings = read_ratings(path)
    found = rated(sheet, ratings, path)
    assert number == sheet.sheet and len(found.readings) == 20 and found.empty == 0
    given = {}
    for line, answer in enumerate(sheet.answers):
        given.setdefault(answer, []).append(1 + line % 7)
    for reading, looks in found.readings:
        levels = given[reading.answer_id]
        assert looks == len(levels) and reading.judge == "people:anna"
        assert reading.raw[0] == pytest.approx(sum((level - 1) / 6 for level in levels) / len(levels))
        assert reading.percentile[0] == pytest.approx(sum(PERCENTILES[level - 1] for level in levels) / len(levels))
        assert (reading.spread[0] is None) == (len(levels) == 1)
    assert len(found.again) == 4


def test_what_is_left_empty_is_not_read(tmp_path):
    sheet = draw_sheet(IDS, "anna", 10, 0)
    path = tmp_path / "filled.csv"
    text = filled(
        sheet_csv(sheet, items(sheet.answers)),
        lambda line, trait: "" if line == 0 or trait == "openness" else "4,0" if line == 1 else "4",
    )
    path.write_text("\ufeff" + text.replace("\r\n", "\n"), encoding="utf-8")
    found = rated(sheet, read_ratings(path)[1], path)
    assert found.empty == 1
    assert {reading.raw[0] for reading, _ in found.readings} == {None}
    assert {reading.raw[1] for reading, _ in found.readings} == {0.5}


@pytest.mark.parametrize("wrong", ["8", "0", "3.5", "high", "-1", "nan"])
def test_a_wrong_rating_is_named(tmp_path, wrong):
    sheet = draw_sheet(IDS, "anna", 5, 0)
    path = tmp_path / "filled.csv"
    path.write_text(
        filled(sheet_csv(sheet, items(sheet.answers)), lambda n, t: wrong if (n, t) == (2, "agreeableness") else "4")
    )
    with pytest.raises(DataError, match=re.escape(f"{sheet.numbers[2]}, agreeableness: '{wrong}' is no rating")):
        read_ratings(path)


def test_files_that_are_no_sheets(tmp_path):
    sheet = draw_sheet(IDS, "anna", 5, 0)
    text = filled(sheet_csv(sheet, items(sheet.answers)), lambda *_: "4")
    for number, (said, words) in enumerate(
        [
            (text + text.split("\r\n")[1] + "\r\n", "rates .* twice"),
            (text.replace("openness", "open"), "lacks the columns openness"),
            (text.split("\r\n")[0], "holds no ratings"),
            (text + text.split("\r\n")[1].replace(sheet.sheet, "00000000") + "\r\n", "lines of 2 sheets"),
            ('{"format": "another"}', "is not a filled-in sheet"),
            ("{", "is not a filled-in sheet"),
        ]
    ):
        path = tmp_path / f"{number}.csv"
        path.write_text(said)
        with pytest.raises(DataError, match=words):
            read_ratings(path)
    with pytest.raises(UsageError, match="there is no file"):
        read_ratings(tmp_path / "nowhere.csv")
    other = {f"{sheet.sheet}-999": dict.fromkeys(TRAITS, 4)}
    with pytest.raises(DataError, match="not on the sheet"):
        rated(sheet, other, tmp_path)


def test_a_spreadsheet_runs_nothing():
    sheet = draw_sheet(IDS, "anna", 3, 0)
    rows = list(csv.DictReader(io.StringIO(sheet_csv(sheet, items(sheet.answers, '=HYPERLINK("http://x")')))))
    assert all(row["answer"].startswith("'=") for row in rows)


def test_instructions_name_every_level_and_trait():
    text = instructions()
    assert all(words in text for words in LEVELS) and all(trait.capitalize() in text for trait in TRAITS)


# ------------------------------------------------------------------------------------------------------ the page


def test_the_page_tells_nothing_of_what_was_asked_for_and_loads_nothing(tmp_path):
    folder = study(tmp_path / "s", questions=10, model="a-model-of-some-name")
    with Study.open(folder) as opened:
        done = make_sheet(opened, "anna", n=30)
        make_sheet(opened, "ben", n=30, form="csv")
    answers = pl.read_parquet(folder / "answers.parquet")
    for name in ("anna.html", "ben.csv"):
        page = (folder / "sheets" / name).read_text()
        for secret in (*answers["answer_id"], *answers["question_id"], "a-model-of-some-name", "prompted", "target"):
            assert secret not in page, secret
    page = (folder / "sheets" / "anna.html").read_text()
    assert done["lines"] == 33 and "http" not in re.sub(r"http-equiv", "", page)
    assert "default-src 'none'" in page


def test_a_text_cannot_become_markup():
    sheet = draw_sheet(IDS, "anna", 5, 0)
    page = sheet_page(sheet, items(sheet.answers, HOSTILE))
    assert page.count("<script") == 2 and "<img" not in page
    data = re.search(r'id="sheet">(.*?)</script>', page, re.S)[1]
    assert json.loads(data)["items"][0]["answer"] == HOSTILE


def test_the_page_is_filled_in_remembered_and_saved(tmp_path):
    browser.needed()
    folder = study(tmp_path / "s", questions=4)
    with Study.open(folder) as opened:
        make_sheet(opened, "anna", n=4)
    path = folder / "sheets" / "anna.html"

    async def steps(tab):
        await tab.run(
            "window.saved = []; URL.createObjectURL = (blob) => { blob.text().then((t) => saved.push(t)); return '#'; }"
        )
        await tab.run("document.getElementById('begin').click()")
        for line in range(5):
            for trait in TRAITS:
                level = 1 + (line + TRAITS.index(trait)) % 7
                await tab.run(f"document.querySelector('input[name={trait}][value=\"{level}\"]').click()")
            if line == 2:  # closed in the middle, and opened again
                await tab.run("location.reload()")
                await asyncio.sleep(1.0)
                assert await tab.run("document.getElementById('number').textContent") == "Answer 3 of 5"
                assert await tab.run("document.querySelectorAll('input:checked').length") == 5
                await tab.run(
                    "window.saved = [];"
                    "URL.createObjectURL = (blob) => { blob.text().then((t) => saved.push(t)); return '#'; }"
                )
            await tab.run("document.getElementById('next').click()")
        assert "Every answer is rated" in await tab.run("document.getElementById('left').textContent")
        for form in ("json", "csv"):
            await tab.run(f"document.querySelector('#end [data-save={form}]').click()")
        await asyncio.sleep(0.3)
        assert tab.logged == [] and [url for url in tab.requested if not url.startswith(("file:", "data:"))] == []
        return await tab.run("saved")

    saved = sorted(browser.visit(path, steps))
    assert len(saved) == 2
    results = []
    for number, text in enumerate(saved):
        filled_in = tmp_path / f"{number}.txt"
        filled_in.write_text(text)
        with Study.open(folder) as opened:
            done = read_sheet(opened, filled_in, "anna")
        assert (done["readings"], done["twice"], done["empty"]) == (4, 1, 0)
        results.append(pl.read_parquet(folder / "readings.parquet"))
    assert results[0].equals(results[1]) and results[0]["judge"].unique().to_list() == ["people:anna"]
    assert pl.read_parquet(folder / "retests.parquet").height == 2


# ----------------------------------------------------------------------------------------------- through a study


def test_a_sheet_goes_out_and_comes_back(tmp_path):
    folder = study(tmp_path / "s", questions=10)
    with Study.open(folder) as opened:
        for who in ("anna", "ben"):
            make_sheet(opened, who, n=40, form="csv")
        text = (folder / "sheets" / "anna.csv").read_text()
        assert (folder / "sheets" / "how-to-rate.txt").exists()
        path = tmp_path / "filled.csv"
        path.write_text(filled(text, lambda line, trait: str(1 + (line * 3) % 7)))
        done = read_sheet(opened, path, "anna")
        assert done["readings"] == 40 and done["twice"] == 4 and done["judge"] == "people:anna"
        with pytest.raises(DataError, match="sheet of anna, not of ben"):
            read_sheet(opened, path, "ben")
        again = read_sheet(opened, path, "anna")
        assert again == done
    table = pl.read_parquet(folder / "readings.parquet")
    assert table.height == 40 and table["openness"].null_count() == 0 and not table["same_family"].any()
    assert table["repeats"].value_counts().sort("repeats")["count"].to_list() == [36, 4]
    stranger = study(tmp_path / "t", questions=2)
    with Study.open(stranger) as opened, pytest.raises(DataError, match="of no sheet of"):
        read_sheet(opened, path, "anna")

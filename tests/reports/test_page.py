"""The page: whole, offline, escaped, the same for the same study, and right about what it counts."""

import dataclasses
import json
import re
from pathlib import Path

import polars as pl
import pytest

from cityfolk.reports import fidelity, frames, gallery, geo, opening, pairs, traits, written
from cityfolk.reports.numbers import number
from cityfolk.reports.page import NAVIGATION, build_report
from tests.reports.cases import study
from tests.reports.mock import geometry, people_and_households
from tests.reports.test_html import HOSTILE, read


@pytest.fixture(scope="module")
def page():
    return build_report(study())


def changed(**changes):
    return dataclasses.replace(study(), **changes)


def test_the_page_loads_nothing(page):
    seen = read(page)
    for name, attributes in seen.tags:
        assert name not in ("img", "link", "iframe", "object", "embed", "video", "audio", "source", "base", "form")
        assert not {"src", "srcset", "action", "background", "ping"} & attributes.keys()
        assert not [a for a in attributes if a.startswith("on")]
        for key in ("href", "xlink:href"):
            assert attributes.get(key, "#").startswith("#")
    style = re.search(r"<style>(.*?)</style>", page, re.S)[1]
    assert "@import" not in style and "url(" not in style
    script = page[page.rindex("<script>") :]
    for word in ("fetch", "XMLHttpRequest", "import(", "innerHTML", "eval", "http"):
        assert word not in script


def test_the_page_is_the_same_for_the_same_study(page):
    assert build_report(study()) == page


def test_every_section_of_the_navigation_is_there_once_and_ids_are_unique(page):
    seen = read(page)
    ids = [a["id"] for _, a in seen.tags if "id" in a]
    assert len(ids) == len(set(ids))
    assert {name for name, _ in NAVIGATION} <= set(ids)
    links = {a["href"].removeprefix("#") for name, a in seen.tags if name == "a"}
    assert links <= set(ids)
    headings = [name for name, _ in seen.tags if name in ("h1", "h2")]
    assert headings.count("h1") == 1 and headings.count("h2") == len(NAVIGATION)


def outline(page):
    """The headings, tables and drawings of a page in their order, one a line."""
    kinds = r"<(h[1-3]|caption|summary)(?: [^>]*)?>(.*?)</\1>|<svg [^>]*aria-label=\"([^\"]*)\""
    lines = []
    for kind, text, label in re.findall(
        kinds, page.split('<div class="gallery">')[0] + page.split('id="text"')[1], re.S
    ):
        lines.append(f"{kind or 'svg'}: {re.sub('<[^>]*>', '', text) or label}")
    return "\n".join(lines) + "\n"


def test_the_outline_is_the_one_that_was_agreed(page):
    assert outline(page) == (Path(__file__).parent / "outline.txt").read_text("utf-8")


def test_drawings_have_labels_and_only_the_pages_colours(page):
    charts = [a for name, a in read(page).tags if name == "svg" and a.get("role") == "img"]
    assert len(charts) > 10
    assert all(a.get("aria-label") for a in charts)
    assert not re.search("#0a0b[0-9a-f]{2}", page)
    assert all("viewbox" in a for a in charts)


def test_it_says_what_it_is(page):
    text = read(page).text
    assert "Nobody on this page is real." in text
    assert "small embedded demonstration model" in text
    for card in re.findall(r'<article class="card citizen.*?</article>', page, re.S):
        assert "not a real person" in card and "small embedded demonstration model" in card


def test_another_engine_is_not_called_the_demonstration_model():
    profiles = study().profiles.with_columns(engine=pl.lit("openai:gpt@http://here"))
    assert "demonstration model" not in build_report(changed(profiles=profiles))


def test_hostile_text_from_a_model_or_a_place_stays_text(page):
    inputs, text = study(), " ".join(HOSTILE)
    profiles = inputs.profiles.with_columns(
        pl.lit(text).alias("general_description"),
        pl.lit(text).alias("job_title"),
        model=pl.lit(text),
        engine=pl.lit(text),
        problems=pl.lit(
            json.dumps([{"rule": text, "field": text, "known": text, "written": text, "start": 0, "end": 3}])
        ),
    )
    people = inputs.people.with_columns(name=pl.lit(text))
    findings = inputs.findings.with_columns(title=pl.lit(text), note=pl.lit(text))
    hostile = changed(
        profiles=profiles,
        people=people,
        findings=findings,
        place_title=text,
        borrowed={"age": text},
        notes=(text,),
        failures=({"stage": text, "label": text, "reason": text},),
        manifest={"stages": {text: {"facts": {text: text}}}},
    )
    mild, seen = read(page), read(build_report(hostile))
    assert text in seen.text
    allowed = {(name, key) for name, attributes in mild.tags for key in attributes}
    assert {(name, key) for name, attributes in seen.tags for key in attributes} - allowed <= {("mark", "title")}
    assert [name for name, _ in seen.tags].count("script") == [name for name, _ in mild.tags].count("script")


def test_huge_names_and_texts_do_not_break_the_page():
    people = study().people.with_columns(name=pl.lit("N" * 5000 + " " + "ł" * 5000))
    assert "N" * 5000 in build_report(changed(people=people))


def test_people_only(page):
    alone = build_report(changed(cohort=None, profiles=None, calls=(), findings=study().findings.clear()))
    assert len(alone) < len(page)
    text = read(alone).text
    assert "Nobody was written" in text and "No model was called" in text and "were not evaluated" in text
    assert 'class="gallery"' not in alone


def test_an_empty_cohort_is_people_only():
    inputs = study()
    assert "Nobody was written" in build_report(changed(profiles=inputs.profiles.clear(), cohort=inputs.cohort.clear()))


def test_without_a_map_or_tables():
    bare = build_report(changed(geometry=None, tables=None))
    assert "no outlines" in bare and 'id="map-data"' not in bare


def test_problems_are_marked_where_they_stand(page):
    inputs = study()
    wrong = [row for row in inputs.profiles.iter_rows(named=True) if gallery.problems_of(row)]
    assert wrong and page.count("<mark") == len(wrong)
    assert re.search(r"<mark[^>]*>91 years old</mark>, lives", page)
    assert page.count('class="problems"') == len(wrong)


def test_problems_as_structs_are_read_like_json():
    row = {"problems": json.dumps([{"rule": "age", "start": 1, "end": 2}])}
    assert gallery.problems_of(row) == gallery.problems_of({"problems": [{"rule": "age", "start": 1, "end": 2}]})
    assert gallery.problems_of({"problems": None}) == gallery.problems_of({"problems": ""}) == []


def test_marks_outside_the_text_or_overlapping_are_left_out():
    assert gallery.marked("abcdef", [(1, 3, "x"), (2, 4, "y"), (5, 99, "z")]).markup == 'a<mark title="x">bc</mark>def'


def test_a_trait_set_by_hand_is_shown_as_such(page):
    by_hand = [row for row in study().cohort.iter_rows(named=True) if row["overrides"]]
    assert by_hand and page.count("set by hand; drawn was") == len(by_hand)


def test_several_engines_for_one_citizen_have_one_anchor():
    profiles = study().profiles
    twice = pl.concat([profiles, profiles.with_columns(engine=pl.lit("ollama:x"))]).sort("person_id", "engine")
    ids = [a["id"] for _, a in read(build_report(changed(profiles=twice))).tags if "id" in a]
    assert len(ids) == len(set(ids))


def test_the_certificate_reads_codes_margins_and_reasons():
    cells = fidelity.cells(study().findings, study().tables)
    worst = cells.row(0, named=True)
    assert worst["code"] == "T1_002" and worst["table"] == "T1"
    assert worst["z"] == pytest.approx(3.0)  # (80 - 50) / 10
    assert not worst["fitted"] and worst["reason"] == "few people; 3.0 margins above"
    by_code = {row["code"]: row for row in cells.iter_rows(named=True)}
    assert by_code["T1_001"]["fitted"] and by_code["T1_001"]["kind"] == "judged"
    assert by_code["T2_001"]["kind"] == "medians and means"


def test_the_certificate_shows_each_table_and_names_the_worst(page):
    text = read(page).text
    assert re.search(r"T1\s*1 of 2\s*50.0%\s*0.0123\s*–", text)
    assert "The worst by name: 1 counts and percents and 0 medians lie outside" in text
    assert text.index("few people; 3.0 margins above") > text.index("The worst by name")


def test_pairs_read_the_distances_from_the_note():
    (pair,) = pairs.pair_rows(study().findings, "withheld")
    assert (pair["title"], pair["made"], pair["independent"], pair["floor"]) == ("age × mode", 0.03, 0.12, 0.01)
    assert pair["records"] == 65 and pair["where"] == "persons; PUMS"


def test_tiles_count_households_without_group_quarters(page):
    text = read(page).text
    assert re.search(r"120\s*households", text) and re.search(r"30\s*in group quarters", text)
    assert "1of 2 rules broken" in text


def test_numbers_have_units():
    assert number(1234.4, "count") == "1,234"
    assert number(0.123, "share") == "12.3%"
    assert number(45.67, "percent") == "45.7%"
    assert number(51234.0, "USD") == "$51,234"
    assert number(None, "count") == number(float("nan")) == "–"


def test_two_engines_are_counted_by_story_and_people_once():
    first = study().profiles
    second = first.with_columns(engine=pl.lit("other"), problems=pl.lit("[]"))
    both = changed(profiles=pl.concat([first, second]))
    n, wrong = first.height, sum(bool(gallery.problems_of(row)) for row in first.iter_rows(named=True))
    assert wrong > 0
    assert f"{2 * n - wrong} of {2 * n} stories have no contradiction" in read(written.section(both).markup).text
    assert f"{n} people had their lives written" in read(gallery.section(both).markup).text


def test_a_hero_without_outlines_has_no_dots():
    assert "<svg" not in opening.hero(changed(geometry=None), "x").markup


# -- what is counted ------------------------------------------------------------------------------------------------


def test_the_pyramid_counts_everybody_once():
    people = study().people
    counted = frames.pyramid(people)
    assert counted["made"].sum() == people.height and counted.height == 36
    band = counted.filter((pl.col("band") == "20–24") & (pl.col("sex") == "female"))["made"][0]
    assert band == people.filter(pl.col("age").is_between(20, 24) & (pl.col("sex") == "female")).height


def test_the_official_pyramid_needs_all_cells_and_is_scaled():
    bands = [(low, low + 4) for low in range(0, 85, 5)]
    rows = [f"age={'' if low == 0 else low}..{high}|sex={sex}" for low, high in bands for sex in ("male", "female")]
    rows += ["age=85..|sex=male", "sex=female|age=85.."]
    tables = pl.DataFrame({"table": "S0101", "dimensions": rows, "estimate": [10.0] * 36, "vintage": "2022"})
    frame, source = frames.official_pyramid(tables, 720)
    assert frame["official"].to_list() == [20.0] * 36
    assert source == "2022 S0101"
    assert frames.official_pyramid(tables.head(35), 720) is None
    assert frames.official_pyramid(None, 720) is None


def test_living_by_age_and_household_types_count_everybody_once():
    households, people = people_and_households()
    living = frames.living_by_age(people, households)
    assert living["n"].sum() == people.height
    kinds = frames.household_types(people, households)
    assert kinds["n"].sum() == households.filter(pl.col("kind") != "group_quarters").height
    alone = kinds.filter(pl.col("type") == "one person")["n"].sum()
    assert alone == households.filter((pl.col("size") == 1) & (pl.col("kind") != "group_quarters")).height


def test_block_groups_sum_to_the_city():
    households, people = people_and_households()
    blocks = frames.block_groups(people, households)
    assert blocks["people"].sum() == people.height
    assert blocks["households"].sum() == 120
    one = blocks.row(0, named=True)
    here = people.join(households.filter(pl.col("block_group") == one["block_group"]), on="household_id", how="semi")
    assert one["median_age"] == here["age"].median()
    assert one["foreign_born"] == pytest.approx((here["nativity"] == "foreign-born").mean())


def test_classes_of_the_map_are_of_equal_number_and_in_order():
    from cityfolk.reports.city import _variable

    rows = [{"x": float(v)} for v in range(60)] + [None, {"x": None}]
    made = _variable(("x", "X", "u", "{:.0f}", 1), rows)
    assert made["bin"][-2:] == [None, None] and made["shown"][-1] == "none"
    counts = [made["bin"].count(b) for b in range(6)]
    assert sum(counts) == 60 and max(counts) - min(counts) <= 2
    assert made["bin"][:60] == sorted(made["bin"][:60])
    alike = _variable(("x", "X", "u", "{:.0f}", 1), [{"x": 5.0}] * 3)
    assert alike["bin"] == [0, 0, 0] and len(alike["legend"]) == 1


def test_personality_against_norms_finds_what_was_drawn():
    import numpy as np

    from cityfolk.personality.norms import norm_groups
    from cityfolk.personality.reference import percentile_from_pomp

    people = study().people.filter(pl.col("norms") == "IPIP-NEO-120").with_columns(age=pl.lit(30), sex=pl.lit("female"))
    group = next(g for g in norm_groups() if g.sex == "female" and g.low <= 30 <= g.high)
    constant = percentile_from_pomp("openness", np.full(people.height, group.mean[0] + 0.05))
    rows = traits.against_norms(people.with_columns(openness=pl.Series(constant)))
    openness = rows.filter(pl.col("trait") == "openness").row(0, named=True)
    assert openness["n"] == people.height
    assert openness["made"] - openness["norm"] == pytest.approx(0.05, abs=1e-3)


# -- on the ground --------------------------------------------------------------------------------------------------


def test_points_lie_inside_and_stay_when_more_are_drawn():
    areas = geo.shapes(geometry())
    area = areas["250170000004"]  # the one with a hole
    points = geo.points_inside(area, list(range(500)), seed=3)
    assert area.contains(points).all()
    x, y = (points - [-71.12, 42.368]).T
    assert not ((x > 0.003) & (x < 0.006) & (y > 0.003) & (y < 0.005)).any()
    assert (geo.points_inside(area, list(range(100, 200)), seed=3) == points[100:200]).all()
    assert not (geo.points_inside(area, list(range(500)), seed=4) == points).all()


def test_inside_a_triangle_by_hand():
    triangle = geo.shapes(
        {
            "features": [
                {
                    "properties": {"geoid": "t"},
                    "geometry": {"type": "Polygon", "coordinates": [[[0, 0], [4, 0], [0, 4]]]},
                }
            ]
        }
    )["t"]
    assert triangle.contains([(1, 1), (3, 3), (-1, 1), (0.5, 3)]).tolist() == [True, False, False, True]
    assert triangle.box() == (0, 0, 4, 4)


def test_a_drawing_keeps_the_shape_of_the_ground():
    areas = geo.shapes(geometry())
    projection = geo.Projection.fit(areas.values(), 100.0, margin=0.0)
    corners = projection.xy([(-71.13, 42.36), (-71.10, 42.384)])
    assert corners[0] == pytest.approx([0, projection.height]) and corners[1] == pytest.approx([100, 0])
    # 0.03 degrees of longitude at 42.372 north are 0.0222 degrees of latitude: 100 wide is 0.024 / 0.0222 * 100 high.
    assert projection.height == pytest.approx(108.3, abs=0.2)

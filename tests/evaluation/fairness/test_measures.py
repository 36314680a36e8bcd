"""Counts by hand, and lists that hold what they say."""

import numpy as np
import pytest

from cityfolk.evaluation.fairness.measures import (
    LISTS,
    TITLES,
    UNITS,
    _levels,
    job_level,
    list_rates,
    measures,
    word_lists,
)


def rates(text):
    return dict(zip(LISTS, list_rates([text])[0], strict=True))


def test_rates_are_per_hundred_words():
    found = rates("She is ambitious and leads a warm team. It pays.")  # ten words
    assert found["agency"] == pytest.approx(20.0)  # ambitious, leads
    assert found["communion"] == pytest.approx(10.0)  # warm
    assert found["money"] == pytest.approx(10.0)  # pays
    assert found["stereotype.age"] == 0.0


def test_negated_words_do_not_count_and_phrases_count_once():
    assert rates("He is not ambitious.")["agency"] == 0.0
    assert rates("They make ends meet at last.")["money"] == pytest.approx(100 * 2 / 6)  # two entries: both phrases
    assert rates("")["agency"] == 0.0


def test_rates_do_not_depend_on_company():
    texts = ["A kind friend helps.", "", "He competes and wins.\nHe pays the rent."]
    assert np.allclose(list_rates(texts), np.vstack([list_rates([text]) for text in texts]))


def test_the_two_dimensions_share_no_word():
    lists = word_lists()
    assert not lists["agency"] & lists["communion"]
    assert all(len(entries) >= 20 for entries in lists.values())
    assert all(entry == entry.lower() for entries in lists.values() for entry in entries)


@pytest.mark.parametrize(
    ("title", "level"),
    [
        ("Registered nurse", 4),
        ("Senior software engineer at a bank", 4),
        ("Head chef", 3),
        ("Store manager", 3),
        ("Project manager", 4),
        ("School bus driver", 2),
        ("Construction laborer", 1),
        ("Hotel housekeepers", 1),
        ("Retired teacher", None),
        ("Student", None),
        ("Dreamer", None),
        ("", None),
    ],
)
def test_levels_of_job_titles(title, level):
    assert job_level(title) == level


def test_every_title_has_one_level():
    from cityfolk.evaluation.fairness.measures import _toml
    from cityfolk.evaluation.feeling.inflect import entries

    titles = [title for text in _toml("job_levels.toml")["level"].values() for title in entries(text)]
    doubles = {title for title in titles if titles.count(title) > 1}
    assert not doubles
    assert set(_levels().values()) == {1, 2, 3, 4}


def test_all_measures_have_units_and_titles():
    found = measures(["She is kind."], ["Nurse"])
    assert set(found) == set(UNITS) == set(TITLES)
    assert found["job_level"][0] == 4 and found["sentiment"][0] == pytest.approx(0.25)
    assert "job_level" not in measures(["She is kind."])
    assert np.isnan(measures(["x"], ["Dreamer"])["job_level"][0])

"""Names fit sex, age and origin, families share surnames, and nobody's name depends on how many are drawn."""

import re
from itertools import product

import numpy as np
import pytest

from cityfolk.errors import DataError
from cityfolk.people.names import draw_names, known_birthplaces, name_tables, options, surname_families
from cityfolk.vocabulary import RACE_ETHNICITIES

TABLES = name_tables()
N = 3000


def _draw(
    n=N, sex="female", age=40, race="White", birthplace="Massachusetts", nativity="native", language="English", **more
):
    def fill(value):
        return np.full(n, value) if np.ndim(value) == 0 else value

    return draw_names(
        np.arange(n), fill(sex), fill(age), fill(race), fill(birthplace), fill(nativity), fill(language),
        seed=more.get("seed", 1), place="p", family=more.get("family"),
    )  # fmt: skip


def _split(names):
    return np.array([name.split(" ", 1) for name in names]).T


def test_every_origin_has_lists_to_draw_from():
    for birthplace, race in product(known_birthplaces(), RACE_ETHNICITIES):
        for given, family, weight in options(race, birthplace, "foreign-born", "English"):
            assert weight > 0 and "family" in TABLES[family]
            assert given == "american" or {"female", "male"} <= TABLES[given].keys()


def test_tables_hold_plain_latin_names():
    pattern = re.compile(r"[A-Za-zÀ-ÿ'-]+( [A-Za-zÀ-ÿ'-]+){0,2}")
    for lists in TABLES.values():
        for key, names in lists.items():
            assert all(pattern.fullmatch(name) for name in names)
            assert key.startswith("family") or not any(" " in name for name in names)
        if "family_female" in lists:
            assert len(lists["family"]) == len(lists["family_female"])


@pytest.mark.parametrize(
    ("birthplace", "race", "tradition"),
    [("China", "Asian", "chinese"), ("Haiti", "Black or African American", "haitian"), ("Poland", "White", "polish"),
     ("Brazil", "Some other race", "brazilian"), ("Ethiopia", "Black or African American", "ethiopian")],
)  # fmt: skip
@pytest.mark.parametrize("sex", ["female", "male"])
def test_the_foreign_born_have_names_of_their_country(birthplace, race, tradition, sex):
    given, family = _split(_draw(sex=sex, race=race, birthplace=birthplace, nativity="foreign-born"))
    assert set(given) <= set(TABLES[tradition][sex]) and set(family) <= set(TABLES[tradition]["family"])
    assert len(set(given)) > 15


def test_age_shows_in_american_names():
    old, young = (set(_split(_draw(age=age, race="Black or African American"))[0]) for age in (80, 5))
    assert "Dorothy" in old and "Dorothy" not in young
    assert "Madison" in young and "Madison" not in old


def test_asians_born_in_britain_have_asian_surnames():
    _, family = _split(_draw(race="Asian", birthplace="England", nativity="foreign-born"))
    assert not set(family) & {"Smith", "Brown", "Williams"} and {"Patel", "Wang"} <= set(family)


def test_language_decides_where_race_allows():
    _, family = _split(_draw(race="Asian", language="Korean"))
    assert set(family) <= set(TABLES["korean"]["family"])
    _, family = _split(_draw(race="White", language="Korean"))
    assert not set(family) <= set(TABLES["korean"]["family"])


def test_families_share_a_surname_and_no_given_name():
    family = np.repeat(np.arange(N // 10), 10)
    sex = np.where(np.arange(N) % 2 == 0, "female", "male")
    given, surname = _split(_draw(sex=sex, family=family, age=10))
    assert all(len(set(surname[family == f])) == 1 for f in range(N // 10))
    assert all(len(set(given[family == f])) == 10 for f in range(N // 10))


def test_a_surname_takes_the_form_of_its_bearer():
    family = np.repeat(np.arange(N // 2), 2)
    sex = np.where(np.arange(N) % 2 == 0, "male", "female")
    _, surname = _split(_draw(sex=sex, family=family, birthplace="Russia", nativity="foreign-born"))
    forms = dict(zip(TABLES["russian"]["family"], TABLES["russian"]["family_female"], strict=True))
    assert all(forms[his] == hers for his, hers in zip(surname[::2], surname[1::2], strict=True))


def test_alone_means_alone():
    _, surname = _split(_draw(family=np.full(N, -1)))
    assert len(set(surname)) > 100


def test_a_name_stays_when_more_are_drawn():
    assert _draw(n=50).tolist() == _draw(n=N)[:50].tolist()
    assert _draw(n=50, seed=2).tolist() != _draw(n=50).tolist()


def test_most_people_are_called_differently():
    assert len(set(_draw(race="White"))) > 0.75 * N


def test_who_shares_the_householders_name():
    roles = np.array(["householder", "spouse", "child", "housemate", "resident"] * 400)
    households = np.repeat(np.arange(400), 5)
    shared = surname_families(households, roles, np.arange(2000), seed=1, place="p").reshape(-1, 5)
    assert (shared[:, 0] == np.arange(400)).all() and (shared[:, 2] == np.arange(400)).all()
    assert 0.65 < (shared[:, 1] >= 0).mean() < 0.85
    assert (shared[:, 3:] == -1).all()


def test_one_family_number_a_person():
    with pytest.raises(DataError, match="family numbers"):
        _draw(n=3, family=np.array([1, 2]))

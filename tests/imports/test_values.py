"""Words of others in the words of people.parquet; what is not understood is unknown."""

import pytest

from cityfolk.imports.values import nativity_of, read_value
from cityfolk.vocabulary import PEOPLE_CATEGORIES


@pytest.mark.parametrize(
    ("column", "value", "meant"),
    [
        ("age", "34 years old", 34),
        ("age", 34.0, 34),
        ("age", "25-34", None),
        ("age", 140, None),
        ("sex", "Male", "male"),
        ("sex", "Female", "female"),
        ("sex", "A woman of few words", "female"),
        ("sex", "non-binary", None),
        ("marital_status", "Married, not separated", "married"),
        ("marital_status", "Never Married", "never married"),
        ("marital_status", "It is complicated", None),
        ("education", "Graduate or professional degree", "graduate or professional"),
        ("education", "Associate's degree", "some college or associate's"),
        ("education", "High school or equivalent degree", "high school"),
        ("education", "Some college, no degree", "some college or associate's"),
        ("religion", "Other World Religions", "Other world religion"),
        ("religion", "Nothing in particular", "Nothing in particular"),
        ("party", "Green", "other"),
        ("industry", "Health Care & Social Assistance", "education, health care and social assistance"),
        ("industry", "Others: (strange)", None),
        ("earnings_usd", "$85,000 per year", 85000),
        ("earnings_usd", "85k", 85000),
        ("earnings_usd", "€85,000", None),
        ("earnings_usd", "$40,000 to $50,000", None),
        ("height_cm", "175.3 cm", 175.3),
        ("height_cm", "5'11\"", None),
        ("weight_kg", "154 lbs", None),
        ("disability", ["No disability"], "none"),
        ("disability", ["self_care", "hearing"], "hearing; self-care"),
        ("birthplace", "USA", "United States"),
        ("birthplace", "brazil", "Brazil"),
        ("employment", "Retired", "not in labor force"),
        ("openness", "0.62", 0.62),
        ("age", None, None),
        ("age", True, None),
    ],
)
def test_values(column, value, meant):
    assert read_value(column, value) == meant


@pytest.mark.parametrize(
    ("column", "value", "meant"),
    [
        *(("employment", text, None) for text in ("not employed", "Not working", "Not currently employed")),
        ("employment", "No longer employed", None),
        ("employment", "I don’t work; isn't employed", None),
        ("employment", "Not in the labor force", "not in labor force"),
        ("marital_status", "not currently married", None),
        ("marital_status", "Not married", None),
        ("marital_status", "Not divorced", None),
        ("marital_status", "Single, never married", "never married"),
        ("marital_status", "Now married (except separated)", "married"),
        ("religion", "not Catholic", None),
        ("religion", "Anti-Catholic", None),
        ("religion", "Non-denominational Evangelical", "Evangelical Protestant"),
        ("party", "not a Democrat", None),
        ("nativity", "non-native", None),
        ("disability", "no hearing difficulty", None),
        ("disability", ["no hearing difficulty", "vision difficulty"], "vision"),
        *(
            ("education", text, "less than high school")
            for text in ("did not finish high school", "Didn't complete high school", "high school dropout")
        ),
        ("education", "some high school", "less than high school"),
        ("education", "Less than a high school diploma", "less than high school"),
        ("education", "High school dropout, later a GED", "high school"),
        ("education", "Less than a bachelor's degree", None),
        ("education", "Undergraduate degree", "bachelor's"),
        ("race_ethnicity", "White Hispanic", "White, Hispanic or Latino"),
        ("race_ethnicity", "Black (Latina)", "Black or African American, Hispanic or Latino"),
        ("race_ethnicity", "Non-Hispanic White", "White"),
        ("race_ethnicity", "White, not Hispanic or Latino", "White"),
        ("race_ethnicity", "not White", None),
        ("race_ethnicity", "Hispanic or Latino", None),
        ("race_ethnicity", "Asian; Hispanic: no", None),
    ],
)
def test_a_negated_or_qualified_word_is_not_read_as_the_fact(column, value, meant):
    assert read_value(column, value) == meant


@pytest.mark.parametrize(
    ("column", "value", "meant"),
    [
        ("earnings_usd", "$1.2 million", 1_200_000),
        ("earnings_usd", "$1.15M", 1_150_000),
        ("earnings_usd", "85 thousand", 85_000),
        ("income_usd", "85 K a year", 85_000),
        *(("earnings_usd", f"$45 {per}", None) for per in ("an hour", "per hour", "hourly", "/hr", "ph")),
        *(("earnings_usd", f"$900 {per}", None) for per in ("a day", "a week", "weekly", "each month", "/mo")),
        *(
            ("age", text, None)
            for text in ("65+", "65 +", "80 years or older", "85 and over", "over 30", "at least 18")
        ),
        *(
            ("age", text, None)
            for text in ("30s", "in her 30's", "mid-40s", "<18", "≥ 65", "under the age of 5", "70plus")
        ),
        *(
            ("age", text, 34)
            for text in ("34 yrs", "34-year-old", "aged 34 and single", "age: 34", "34.0", "34 so far")
        ),
        *(("age", text, None) for text in ("18 months", "18-month-old", "6 weeks")),
    ],
)
def test_amounts_are_read_with_their_unit(column, value, meant):
    assert read_value(column, value) == meant


@pytest.mark.parametrize(("letter", "meant"), [("M", "male"), ("f", "female"), ("F.", "female"), ("X", None)])
def test_letters_for_sex(letter, meant):
    assert read_value("sex", letter) == meant


def test_every_category_means_itself():
    for column, known in PEOPLE_CATEGORIES.items():
        for value in known:
            assert read_value(column, value) == value


def test_nativity_follows_a_known_country_only():
    assert (nativity_of("United States"), nativity_of("Brazil"), nativity_of("Atlantis")) == (
        "native",
        "foreign-born",
        None,
    )

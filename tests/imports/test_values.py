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

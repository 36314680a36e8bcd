"""Rules about one person: age against everything else, origin, schooling, body, beliefs, personality."""

from __future__ import annotations

from functools import reduce
from operator import or_

import polars as pl

from cityfolk.personality.norms import COVERED_AGES
from cityfolk.tables.birth import birthplaces
from cityfolk.tables.rulebook import NIST, STUDY, differ, known, rule
from cityfolk.types import PERCENTILE_CEILING, PERCENTILE_FLOOR
from cityfolk.vocabulary import DISABILITIES, EDUCATIONS, ENROLLMENTS, GRADES, PEOPLE_CATEGORIES, TRAITS, US_BIRTHPLACES

AGE, EDUCATION, GRADE = pl.col("age"), pl.col("education"), pl.col("grade")
ENROLLMENT, DISABILITY, NATIVITY = pl.col("enrollment"), pl.col("disability"), pl.col("nativity")
CITIZENSHIP, BIRTHPLACE, ENGLISH = pl.col("citizenship"), pl.col("birthplace"), pl.col("english")
REQUIRED = (
    "household_id",
    "role",
    "age",
    "sex",
    "race_ethnicity",
    "birthplace",
    "nativity",
    "citizenship",
    "language_home",
    "education",
    "enrollment",
    "marital_status",
    "disability",
    "height_cm",
    "weight_kg",
    "name",
    "norms",
    *TRAITS,
)
_NUMBERS = ("age", "earnings_usd", "income_usd", "commute_minutes", "poverty_ratio", "height_cm", "weight_kg")
_NURSERY, _ELEMENTARY, _HIGH, _COLLEGE = ENROLLMENTS[1:]
_GRADE_NUMBER = GRADE.str.extract(r"^grade (\d+)$").cast(pl.Int16)
# A single percentile is stored in 32 bits: .999 may be 0.99900001.
_ROUNDING = 1e-6


def _any(conditions: list[pl.Expr]) -> pl.Expr:
    return reduce(or_, (condition.fill_null(False) for condition in conditions))


@rule("person", "People are numbered 0, 1, 2 and so on.", STUDY)
def person_ids_run_from_zero() -> pl.Expr:
    return pl.col("person_id").is_null() | (pl.col("person_id") != pl.int_range(pl.len()))


@rule("person", "The members of a household stand together, households in the order of their ids.", STUDY)
def members_stand_together() -> pl.Expr:
    return pl.col("household_id") < pl.col("household_id").shift(1)


@rule("person", "Everything that is asked of everybody is known of everybody, or of nobody in this place.", STUDY)
def required_facts_are_set() -> pl.Expr:
    # A place whose tables do not hold an attribute leaves it null for everybody; the report says so.
    return _any([pl.col(name).is_null() & known(name) for name in REQUIRED])


@rule("person", "A category is one of its column's closed list.", STUDY)
def person_categories_are_known() -> pl.Expr:
    return _any([~pl.col(name).is_in(values) for name, values in PEOPLE_CATEGORIES.items()])


@rule("person", "No amount is negative or not a number.", STUDY)
def person_numbers_are_not_negative() -> pl.Expr:
    return _any([(pl.col(name) < 0) | pl.col(name).cast(pl.Float64).is_nan() for name in _NUMBERS])


@rule("person", "Nobody is older than 115.")
def age_is_possible() -> pl.Expr:
    return AGE > 115


@rule("person", "A name has at least two parts.", STUDY)
def name_has_two_parts() -> pl.Expr:
    return ~pl.col("name").str.contains(r"^\S+(\s+\S+)+$")


@rule("person", "Nobody under 15 was ever married.", NIST)
def under_15_never_married() -> pl.Expr:
    return (AGE < 15) & (pl.col("marital_status") != "never married")


@rule("person", "Nobody under 18 is widowed or divorced.", NIST)
def under_18_not_widowed_or_divorced() -> pl.Expr:
    return (AGE < 18) & pl.col("marital_status").is_in(("widowed", "divorced"))


@rule("person", "Nobody under 16 has finished high school.", NIST)
def high_school_takes_16_years() -> pl.Expr:
    return (AGE < 16) & (EDUCATION != EDUCATIONS[0])


@rule("person", "Nobody under 17 has been to college and left.", NIST)
def some_college_takes_17_years() -> pl.Expr:
    return (AGE < 17) & EDUCATION.is_in(EDUCATIONS[2:])


@rule("person", "Nobody under 19 has a bachelor's degree.", NIST)
def bachelors_takes_19_years() -> pl.Expr:
    return (AGE < 19) & EDUCATION.is_in(EDUCATIONS[3:])


@rule("person", "Nobody under 21 has a graduate degree.", NIST)
def graduate_degree_takes_21_years() -> pl.Expr:
    return (AGE < 21) & (EDUCATION == EDUCATIONS[4])


@rule("person", "Nobody under 3 is enrolled in school.")
def enrolled_from_3() -> pl.Expr:
    return (AGE < 3) & (ENROLLMENT != ENROLLMENTS[0])


@rule("person", "A grade is known of everyone who is enrolled, and of nobody else.")
def grade_if_enrolled() -> pl.Expr:
    return known("grade") & known("enrollment") & differ(GRADE.is_not_null(), ENROLLMENT != ENROLLMENTS[0])


@rule("person", "The grade belongs to the level of school: preschool, K to 8, 9 to 12, college.")
def grade_fits_level() -> pl.Expr:
    return _any(
        [
            (ENROLLMENT == _NURSERY) & (GRADE != "preschool"),
            (ENROLLMENT == _ELEMENTARY) & ~GRADE.is_in(GRADES[1:10]),
            (ENROLLMENT == _HIGH) & ~GRADE.is_in(GRADES[10:14]),
            (ENROLLMENT == _COLLEGE) & ~GRADE.is_in(GRADES[14:]),
        ]
    )


@rule(
    "person",
    "Grades 1 to 8 are attended at an age 4 to 8 years above the grade's number, kindergarten at 4 to 7.",
    NIST,
)
def elementary_grade_fits_age() -> pl.Expr:
    return _any(
        [
            (GRADE == "preschool") & ~AGE.is_between(3, 6),
            (GRADE == "kindergarten") & ~AGE.is_between(4, 7),
            (_GRADE_NUMBER <= 8) & ~(AGE - _GRADE_NUMBER).is_between(4, 8),
        ]
    )


@rule(
    "person",
    "Grades 9 to 12 are attended from 4 years above the grade's number, college from 16, graduate school from 19.",
)
def higher_grade_fits_age() -> pl.Expr:
    return _any(
        [
            (_GRADE_NUMBER >= 9) & ((AGE - _GRADE_NUMBER) < 4),
            (GRADE == "undergraduate") & (AGE < 16),
            (GRADE == "graduate") & (AGE < 19),
        ]
    )


@rule("person", "Children of 7 to 12 who are enrolled attend elementary school.", NIST)
def schoolchildren_go_to_school() -> pl.Expr:
    return AGE.is_between(7, 12) & ENROLLMENT.is_in((_NURSERY, _HIGH, _COLLEGE))


@rule("person", "Whoever attends grade 12 or below has not finished high school.")
def pupils_have_not_finished() -> pl.Expr:
    return ENROLLMENT.is_in((_NURSERY, _ELEMENTARY, _HIGH)) & (EDUCATION != EDUCATIONS[0])


@rule("person", "A college student has finished high school, a graduate student college.")
def students_have_finished_what_came_before() -> pl.Expr:
    return ((GRADE == "undergraduate") & (EDUCATION == EDUCATIONS[0])) | (
        (GRADE == "graduate") & ~EDUCATION.is_in(EDUCATIONS[3:])
    )


@rule("person", "Whoever was born in the United States, or to American parents, is a citizen by birth.", NIST)
def natives_are_citizens() -> pl.Expr:
    return (NATIVITY == "native") & (CITIZENSHIP != "born")


@rule("person", "Whoever is a citizen by birth is a native.")
def citizens_by_birth_are_natives() -> pl.Expr:
    return (CITIZENSHIP == "born") & (NATIVITY != "native")


@rule("person", "Naturalized citizens are foreign-born.", NIST)
def naturalized_are_foreign_born() -> pl.Expr:
    return (CITIZENSHIP == "naturalized") & (NATIVITY != "foreign-born")


@rule("person", "Who is not a citizen is foreign-born.", NIST)
def not_citizens_are_foreign_born() -> pl.Expr:
    return (CITIZENSHIP == "not a citizen") & (NATIVITY != "foreign-born")


@rule("person", "The foreign-born were born in a foreign country.")
def foreign_born_come_from_abroad() -> pl.Expr:
    return (NATIVITY == "foreign-born") & BIRTHPLACE.is_in(US_BIRTHPLACES)


@rule("person", "Natives were born in the country, its islands, or abroad of American parents.")
def natives_come_from_home() -> pl.Expr:
    # Georgia is a state and a country: only the state's own natives bear the name, and they are natives.
    foreign = [name for name in birthplaces()["country"] if name != "Georgia"]
    return (NATIVITY == "native") & BIRTHPLACE.is_in(foreign)


@rule("person", "How well English is spoken is known of everyone of 5 or older, and of nobody younger.", NIST)
def english_from_5() -> pl.Expr:
    return known("english") & differ(ENGLISH.is_not_null(), AGE >= 5)


@rule("person", "Who speaks English at home speaks only English, and the other way round.", NIST)
def only_english_if_english_at_home() -> pl.Expr:
    at_home = pl.col("language_home") == "English"
    return known("english") & known("language_home") & (AGE >= 5) & differ(ENGLISH == "only English", at_home)


@rule("person", "Disabilities are from the list, each once, in its order.", STUDY)
def disabilities_are_known() -> pl.Expr:
    listed = DISABILITY.str.split("; ")
    in_order = pl.concat_list(pl.lit(name) for name in sorted(DISABILITIES)).list.set_intersection(listed)
    return (DISABILITY != "none") & (in_order.list.join("; ") != DISABILITY)


@rule("person", "Under 5 only hearing and vision are asked about.", NIST)
def small_children_hear_and_see() -> pl.Expr:
    return (AGE < 5) & DISABILITY.str.contains("cognitive|ambulatory|self-care|independent living")


@rule("person", "Under 15 nobody is asked about living independently.", NIST)
def independent_living_from_15() -> pl.Expr:
    return (AGE < 15) & DISABILITY.str.contains("independent living")


@rule("person", "Religion is known of adults, and of nobody under 18.", STUDY)
def religion_of_adults() -> pl.Expr:
    return pl.col("religion").is_not_null() & (AGE < 18)


@rule("person", "Party is known of adult citizens only.", NIST)
def party_of_adult_citizens() -> pl.Expr:
    return pl.col("party").is_not_null() & ((AGE < 18) | (CITIZENSHIP == "not a citizen"))


@rule(
    "person",
    "Adults are 120 to 220 cm tall; infants under 2 below 105 cm; nobody below 40 cm.",
    "CDC/NCHS NHANES 2015-2018",
)
def height_fits_age() -> pl.Expr:
    height = pl.col("height_cm")
    return (height < 40) | (height > 220) | ((AGE >= 18) & (height < 120)) | ((AGE < 2) & (height > 105))


@rule(
    "person",
    "Adults weigh 30 to 300 kg; infants under 2 at most 20 kg; nobody below 2 kg.",
    "CDC/NCHS NHANES 2015-2018",
)
def weight_fits_age() -> pl.Expr:
    weight = pl.col("weight_kg")
    return (weight < 2) | (weight > 300) | ((AGE >= 18) & (weight < 30)) | ((AGE < 2) & (weight > 20))


@rule("person", "Body mass index lies between 8 and 80.", "CDC/NCHS NHANES 2015-2018")
def weight_fits_height() -> pl.Expr:
    return ~(pl.col("weight_kg") / (pl.col("height_cm") / 100) ** 2).is_between(8, 80)


@rule("person", "Personality is five percentiles from .001 to .999.", STUDY)
def personality_is_percentiles() -> pl.Expr:
    low, high = PERCENTILE_FLOOR - _ROUNDING, PERCENTILE_CEILING + _ROUNDING
    return _any([~pl.col(trait).is_between(low, high) | pl.col(trait).is_nan() for trait in TRAITS])


@rule(
    "person",
    "Personality is marked extrapolated at the ages that the norms do not cover, and at no other.",
    "IPIP-NEO-120",
)
def norms_say_where_extrapolated() -> pl.Expr:
    return differ(pl.col("norms") == "extrapolated", ~AGE.is_between(*COVERED_AGES))

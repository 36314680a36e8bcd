"""The closed lists: every categorical column of people.parquet and households.parquet, and what its values are.

A column's values are written in the words of the American Community Survey, shortened where the survey's label is a
sentence. Nothing else in the package spells a category; everything imports it from here.
"""

from __future__ import annotations

TRAITS = ("openness", "conscientiousness", "extraversion", "agreeableness", "neuroticism")

SEXES = ("female", "male")
RACES = (
    "White",
    "Black or African American",
    "American Indian and Alaska Native",
    "Asian",
    "Native Hawaiian and Other Pacific Islander",
    "Some other race",
    "Two or more races",
)
HISPANIC_SUFFIX = ", Hispanic or Latino"
RACE_ETHNICITIES = RACES + tuple(race + HISPANIC_SUFFIX for race in RACES)

NATIVITIES = ("native", "foreign-born")
CITIZENSHIPS = ("born", "naturalized", "not a citizen")

EDUCATIONS = (
    "less than high school",
    "high school",
    "some college or associate's",
    "bachelor's",
    "graduate or professional",
)
ENROLLMENTS = (
    "not enrolled",
    "nursery or preschool",
    "elementary (K-8)",
    "high school (9-12)",
    "college or graduate school",
)
GRADES = (
    "preschool",
    "kindergarten",
    *(f"grade {n}" for n in range(1, 13)),
    "undergraduate",
    "graduate",
)
MARITAL_STATUSES = ("never married", "married", "separated", "widowed", "divorced")
EMPLOYMENTS = ("employed", "unemployed", "not in labor force", "armed forces")
OCCUPATIONS = (
    "management, business, science and arts",
    "service",
    "sales and office",
    "natural resources, construction and maintenance",
    "production, transportation and material moving",
)
INDUSTRIES = (
    "agriculture and mining",
    "construction",
    "manufacturing",
    "wholesale trade",
    "retail trade",
    "transportation, warehousing and utilities",
    "information",
    "finance, insurance and real estate",
    "professional, scientific and administrative services",
    "education, health care and social assistance",
    "arts, entertainment, lodging and food",
    "other services",
    "public administration",
)
CLASSES_OF_WORKER = ("private", "government", "self-employed", "unpaid family")
COMMUTE_MODES = (
    "drove alone",
    "carpooled",
    "public transportation",
    "walked",
    "other means",
    "worked from home",
    "not at work last week",
)
ENGLISH_LEVELS = ("only English", "very well", "less than very well")
DISABILITIES = ("hearing", "vision", "cognitive", "ambulatory", "self-care", "independent living")
HEALTH_INSURANCES = ("private", "public", "private and public", "none")
RELIGIONS = (
    "Evangelical Protestant",
    "Mainline Protestant",
    "Catholic",
    "Mormon",
    "Orthodox Christian",
    "Jehovah's Witness",
    "Other Christian",
    "Jewish",
    "Muslim",
    "Buddhist",
    "Hindu",
    "Other world religion",
    "Other faith",
    "Atheist",
    "Agnostic",
    "Nothing in particular",
    "Don't know",
)
PARTIES = ("Democratic", "Republican", "other")

HOUSEHOLD_KINDS = ("family", "nonfamily", "group_quarters")
GQ_TYPES = ("student housing", "nursing facility", "correctional", "juvenile", "other institutional", "other")
TENURES = ("owner", "renter")
ROLES = (
    "householder",
    "spouse",
    "unmarried partner",
    "child",
    "parent",
    "sibling",
    "grandchild",
    "other relative",
    "housemate",
    "resident",
)
RELATED_ROLES = ("householder", "spouse", "child", "parent", "sibling", "grandchild", "other relative")
US_BIRTHPLACES = (
    "US Northeast",
    "US Midwest",
    "US South",
    "US West",
    "Puerto Rico",
    "US Island Areas",
    "abroad of American parents",
)
NORMS = ("IPIP-NEO-120", "extrapolated")

PEOPLE_CATEGORIES: dict[str, tuple[str, ...]] = {
    "role": ROLES,
    "sex": SEXES,
    "race_ethnicity": RACE_ETHNICITIES,
    "nativity": NATIVITIES,
    "citizenship": CITIZENSHIPS,
    "english": ENGLISH_LEVELS,
    "education": EDUCATIONS,
    "enrollment": ENROLLMENTS,
    "grade": GRADES,
    "marital_status": MARITAL_STATUSES,
    "employment": EMPLOYMENTS,
    "occupation": OCCUPATIONS,
    "industry": INDUSTRIES,
    "class_of_worker": CLASSES_OF_WORKER,
    "commute_mode": COMMUTE_MODES,
    "health_insurance": HEALTH_INSURANCES,
    "religion": RELIGIONS,
    "party": PARTIES,
    "norms": NORMS,
}
HOUSEHOLD_CATEGORIES: dict[str, tuple[str, ...]] = {
    "kind": HOUSEHOLD_KINDS,
    "gq_type": GQ_TYPES,
    "tenure": TENURES,
}
PROBLEM_RULES = (
    "name",
    "home",
    "age",
    "sex",
    "job",
    "household",
    "origin",
    "education",
    "income",
    "religion",
    "party",
    "disability",
    "traits",
)

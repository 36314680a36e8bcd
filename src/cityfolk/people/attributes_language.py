"""Language at home, ability to speak English, and households where nobody over 13 speaks English very well."""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cityfolk.people.attributes_fit import household_choices
from cityfolk.people.attributes_world import Bools, Factor, Ints, World

ONLY, VERY_WELL, LESS = range(3)
ENGLISH = "English"
# The main language at home of people born in a country, where it is one and not English: common knowledge about
# countries (CIA World Factbook, "Languages"), not a figure about this place.
_BY_COUNTRY = {
    "Spanish": "Spain, Argentina, Bolivia, Chile, Colombia, Costa Rica, Cuba, Dominican Republic, Ecuador, "
    "El Salvador, Guatemala, Honduras, Mexico, Nicaragua, Panama, Peru, Uruguay, Venezuela, Other Central America, "
    "Other South America, Puerto Rico",
    "Portuguese": "Brazil, Portugal, Azores Islands, Cabo Verde",
    "French": "France, Belgium, Switzerland, Senegal, Ivory Coast, Togo, Congo, Democratic Republic of Congo, Cameroon",
    "Haitian Creole": "Haiti",
    "German": "Germany, Austria",
    "Dutch": "Netherlands",
    "Italian": "Italy",
    "Greek": "Greece",
    "Danish": "Denmark",
    "Swedish": "Sweden",
    "Norwegian": "Norway",
    "Russian": "Russia, Belarus",
    "Ukrainian": "Ukraine",
    "Polish": "Poland",
    "Romanian": "Romania, Moldova",
    "Hungarian": "Hungary",
    "Bulgarian": "Bulgaria",
    "Albanian": "Albania",
    "Serbo-Croatian": "Serbia, Croatia, Bosnia and Herzegovina",
    "Macedonian": "North Macedonia",
    "Czech or Slovak": "Czechoslovakia",
    "Latvian": "Latvia",
    "Lithuanian": "Lithuania",
    "Chinese": "China, Hong Kong, Taiwan, Singapore, Malaysia",
    "Japanese": "Japan",
    "Korean": "Korea",
    "Hindi or another language of India": "India",
    "Bengali": "Bangladesh",
    "Urdu": "Pakistan",
    "Nepali": "Nepal, Bhutan",
    "Sinhala": "Sri Lanka",
    "Persian": "Iran, Afghanistan",
    "Kazakh": "Kazakhstan",
    "Uzbek": "Uzbekistan",
    "Vietnamese": "Vietnam",
    "Thai": "Thailand",
    "Tagalog": "Philippines",
    "Indonesian": "Indonesia",
    "Burmese": "Burma (Myanmar)",
    "Khmer": "Cambodia",
    "Lao": "Laos",
    "Hebrew": "Israel",
    "Turkish": "Turkey",
    "Armenian": "Armenia",
    "Georgian": "Georgia",
    "Azerbaijani": "Azerbaijan",
    "Arabic": "Egypt, Morocco, Algeria, Sudan, Iraq, Jordan, Kuwait, Lebanon, Saudi Arabia, Syria, "
    "United Arab Emirates, Yemen, Other Northern Africa, Other Western Asia",
    "Amharic": "Ethiopia",
    "Tigrinya": "Eritrea",
    "Somali": "Somalia",
    "Swahili": "Kenya, Tanzania, Uganda",
    "Akan": "Ghana",
    "Yoruba": "Nigeria",
    "Shona": "Zimbabwe",
}
_LANGUAGE = {country.strip(): name for name, text in _BY_COUNTRY.items() for country in text.split(",")}
# Countries where English is the main or a main language at home (same source).
_ENGLISH_COUNTRIES = (
    "England, Scotland, United Kingdom, Ireland, Canada, Australia, Other Australian and New Zealand Subregion, "
    "Jamaica, Trinidad and Tobago, Barbados, Bahamas, Belize, Dominica, Grenada, Guyana, St. Lucia, "
    "St. Vincent and the Grenadines, Liberia, Sierra Leone, South Africa, West Indies"
)
# Where neither the country of birth nor the family tells: the most spoken after English in the United States, or in the
# part of the world where somebody was born (same source).
_BY_REGION = {
    "Africa": "French",
    "Asia": "Chinese",
    "Europe": "French",
    "Northern America": "French",
    "Oceania": "Chinese",
}
_NAMES = (ENGLISH, *sorted({*_LANGUAGE.values(), *_BY_REGION.values(), "Spanish", "Chinese"} - {ENGLISH}))
_PRIOR = np.array(
    [
        [1.0, 0.16, 0.02],  # native, no foreign-born parent or partner at home
        [1.0, 1.0, 0.12],  # native with foreign-born family
        [1.0, 0.08, 0.01],  # born in an English-speaking country
        [0.15, 1.0, 0.45],  # born elsewhere
    ]
)


def add_language(world: World) -> None:
    """Settle language_home and english of persons, limited_english of households."""
    if not world.book.speaks_of("language_home", "english"):
        for column in ("language_home", "english", "limited_english"):
            world.missing[column] = "no table of this place speaks of languages"
        return
    kind = _kinds(world)
    limited = _limited(world, kind)
    codes = _ability(world, kind, limited)
    language = _languages(world, codes)
    small = np.flatnonzero((codes < 0) & (world.home >= 0))
    language[small] = language[world.head[world.home[small]]]
    world.add("language_home", _NAMES, language)
    world.add("english", ("only English", "very well", "less than very well"), codes)
    world.borrowed["language_home"] = (
        "English or another language is from this place's tables; which other language follows from the country of "
        "birth (CIA World Factbook) and, for natives, from family and race"
    )


def _kinds(world: World) -> Ints:
    native = world.is_("nativity", "native")
    foreign_home = world.per_home(~native & world.is_("role", "householder", "spouse", "parent")) > 0
    kind = np.where(native, 0, 3)
    kind[native & (world.home >= 0) & foreign_home[world.home]] = 1
    english_born = world.is_("birthplace", *(c.strip() for c in _ENGLISH_COUNTRIES.split(",")))
    kind[~native & english_born] = 2
    return kind.astype(np.int64)


def _limited(world: World, kind: Ints) -> Bools:
    """Choose the households where nobody of 14 or over speaks English very well."""
    if not world.book.speaks_of("limited_english"):
        world.missing["limited_english"] = "no table of this place speaks of limited English-speaking households"
        return np.zeros(world.homes.rows, dtype=bool)
    grown = world.age >= 14
    # The chance that every grown member speaks it less than very well, members taken as independent.
    chance = np.array([0.015, 0.08, 0.01, 0.3])[kind]
    log_all = np.zeros(world.homes.rows)
    inside = grown & (world.home >= 0)
    np.add.at(log_all, world.home[inside], np.log(chance[inside]))
    share = np.exp(log_all * 0.7)
    level = np.clip(np.round(-np.log(share)).astype(np.int64), 0, 12)
    table = np.stack([1 - np.exp(-np.arange(13) - 0.2), np.exp(-np.arange(13) - 0.2)], axis=1)
    values = household_choices(limited_english=[False, True])
    everyone = np.ones(world.homes.rows, dtype=bool)
    chosen = np.asarray(world.choose_home(everyone, values, [(level, table)], "limited English") == 1)
    world.add_home(pl.Series("limited_english", chosen))
    return chosen


def _ability(world: World, kind: Ints, limited: Bools) -> Ints:
    """Draw English ability of everyone of 5 and over; households are as limited as they were chosen to be."""
    who = world.age >= 5
    grown = (world.age >= 14) & (world.home >= 0)
    in_limited = np.zeros(world.n, dtype=bool)
    in_limited[world.home >= 0] = limited[world.home[world.home >= 0]]
    role = np.zeros(world.n, dtype=np.int64)
    if "limited_english" not in world.missing:
        role[in_limited & grown] = 1
        # Elsewhere one grown member, the likeliest, speaks it at least very well.
        score = np.array([0.98, 0.92, 0.97, 0.6])[kind] + 0.2 * world.u("speaks English")
        rows = np.flatnonzero(grown & ~in_limited)
        order = rows[np.lexsort((-score[rows], world.home[rows]))]
        first = np.append(True, world.home[order][1:] != world.home[order][:-1])
        role[order[first]] = 2
    forced = np.array([[1.0, 1, 1], [0, 0, 1], [1, 1, 0]])
    ages = np.digitize(world.age, [18, 45, 65])
    by_age = np.array([[1.0, 1.2, 0.7], [1, 1, 0.8], [1, 1, 1.3], [1, 0.8, 2.2]])
    values = household_choices(
        "persons",
        language_home=[ENGLISH, "other", "other"],
        english=["only English", "very well", "less than very well"],
    )
    factors: list[Factor] = [(kind, _PRIOR), (role, forced), (ages, by_age)]
    return world.choose(who, values, factors, "english").astype(np.int64)


def _languages(world: World, codes: Ints) -> NDArray[np.int16]:
    """Return the language of each person: English, or for those who speak another the number of its name in _NAMES."""
    own = _by_category(world, "birthplace", _LANGUAGE, -1)
    inside = (world.home >= 0) & world.related
    foreign = np.flatnonzero((own >= 0) & inside)
    of_home = np.full(world.homes.rows, -1, dtype=np.int64)
    of_home[world.home[foreign[::-1]]] = foreign[::-1]
    relative = np.where(inside, of_home[world.home], -1)
    language = _by_category(world, "birth_region", _BY_REGION, _NAMES.index("Spanish"))
    language[world.is_("race", "Asian") & world.is_("nativity", "native")] = _NAMES.index("Chinese")
    language[world.is_("hispanic", "yes")] = _NAMES.index("Spanish")
    language = np.where(relative >= 0, own[relative], language)
    language = np.where(own >= 0, own, language)
    language[codes == ONLY] = _NAMES.index(ENGLISH)
    return language


def _by_category(world: World, column: str, language: dict[str, str], default: int) -> NDArray[np.int16]:
    """Return the number of the language that goes with each person's category of a column."""
    encoded = world.persons.encoded(column)
    names = [language.get(c) for c in encoded.categories or ()]
    table = np.array([default if name is None else _NAMES.index(name) for name in (*names, None)], dtype=np.int16)
    return np.asarray(table[encoded.values])

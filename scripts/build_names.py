"""Write src/cityfolk/people/names.json: the tables that names are drawn from.

Sources: Faker's person providers (MIT licence; names are facts) and the lists of names_by_hand.toml. Faker is needed to
build the tables, not to draw names. Run from the repository's root: python scripts/build_names.py
"""

from __future__ import annotations

import importlib
import json
import re
import tomllib
import unicodedata
from pathlib import Path
from typing import Any

import faker

HERE = Path(__file__).parent
OUT = HERE.parent / "src" / "cityfolk" / "people" / "names.json"
MOST_GIVEN, MOST_FAMILY = 120, 240
LEFT_OUT = {"Kaur"}  # women only
GIVEN = re.compile(r"[A-ZÀ-Þ][A-Za-zÀ-ÿ'-]{1,14}")
FAMILY = re.compile(
    r"(?:(?:d[aei]|do|dos|das|del|de la|van|van der|van den|von|El|Dela|De|La|Le|Di|O') ?)?[A-ZÀ-Þ][A-Za-zÀ-ÿ'-]{1,16}"
)
SPECIAL = str.maketrans({"ł": "l", "Ł": "L", "ı": "i", "İ": "I", "đ": "d", "Đ": "D", "ß": "ss", "\u2019": "'"})
# tradition: Faker locales, in the order in which they are merged with the hand-made list of the same name
FAKER = {
    "english": ("en_GB",), "french": ("fr_FR",), "italian": ("it_IT",), "german": ("de_DE",), "dutch": ("nl_NL",),
    "swedish": ("sv_SE",), "danish": ("da_DK",), "norwegian": ("no_NO",), "finnish": ("fi_FI",),
    "spanish": ("es_ES",), "portuguese": ("pt_PT",), "brazilian": ("pt_BR",), "cape_verdean": ("pt_PT",),
    "mexican": ("es_MX",), "south_american": ("es_CO", "es_AR"), "romanian": ("ro_RO",), "hungarian": ("hu_HU",),
    "indonesian": ("id_ID",), "kenyan": ("en_KE",), "ghanaian": ("tw_GH",),
    "indian": ("en_IN",), "nigerian": ("yo_NG", "ig_NG"),
}  # fmt: skip
# How strongly the first names of a list are favoured: position = floor(n * u ** skew); 1 is even.
SKEW = {
    "american": 1.4, "american_old": 1.4, "american_middle": 1.4, "american_young": 1.3, "chinese": 1.9,
    "korean": 2.2, "vietnamese": 2.2, "japanese": 1.3, "indian": 1.3, "irish": 1.3, "cantonese": 1.4, "taiwanese": 1.7,
}  # fmt: skip


def fold(name: str) -> str:
    """Keep the letters of Latin-1 and reduce all others to their base letter."""
    out = []
    for character in unicodedata.normalize("NFC", name.translate(SPECIAL)):
        if ord(character) < 256:
            out.append(character)
        else:
            out.extend(c for c in unicodedata.normalize("NFKD", character) if not unicodedata.combining(c))
    return "".join(out)


def clean(names: list[str], pattern: re.Pattern[str], most: int) -> list[str]:
    """Return distinct names of the right form, thinned evenly to `most`."""
    kept = list(
        dict.fromkeys(n for n in (fold(name).strip() for name in names) if pattern.fullmatch(n) and n not in LEFT_OUT)
    )
    if len(kept) <= most:
        return kept
    return [kept[i * len(kept) // most] for i in range(most)]


def from_faker(locale: str) -> dict[str, list[str]]:
    """Return a locale's female and male given names and family names, the most frequent first where it says."""
    provider = importlib.import_module(f"faker.providers.person.{locale}").Provider

    def ranked(*names: str) -> list[str]:
        for name in names:
            values: Any = getattr(provider, name, None)
            if values:
                pairs = values.items() if isinstance(values, dict) else [(v, 1) for v in values]
                return [str(value) for value, _ in sorted(pairs, key=lambda pair: -pair[1])]
        return []

    return {
        "female": ranked("first_names_female"),
        "male": ranked("first_names_male"),
        "family": ranked("last_names", "last_names_male"),
    }


def tables() -> dict[str, dict[str, Any]]:
    """Return every tradition's lists."""
    hand = tomllib.loads((HERE / "names_by_hand.toml").read_text(encoding="utf-8"))
    out: dict[str, dict[str, Any]] = {}
    for tradition in sorted({*hand, *FAKER}):
        lists = {key: text.replace("_", "\0").split() for key, text in hand.get(tradition, {}).items()}
        lists = {key: [name.replace("\0", " ") for name in names] for key, names in lists.items()}
        entry: dict[str, Any] = {"skew": SKEW.get(tradition, 1.0)}
        for key, pattern, most in (
            ("female", GIVEN, MOST_GIVEN),
            ("male", GIVEN, MOST_GIVEN),
            ("family", FAMILY, MOST_FAMILY),
        ):
            by_hand = lists.get(key, [])
            names = [name for locale in FAKER.get(tradition, ()) for name in from_faker(locale)[key]]
            if "family_female" in lists and key == "family":
                entry["family"], entry["family_female"] = lists["family"], lists["family_female"]
                if len(entry["family"]) != len(entry["family_female"]):
                    raise SystemExit(f"{tradition}: family and family_female differ in length")
                continue
            kept = list(dict.fromkeys([*clean(by_hand, pattern, most), *clean(names, pattern, most)]))
            if kept:
                entry[key] = kept
        out[tradition] = entry
    return out


def main() -> None:
    """Build and write the tables."""
    origins = tomllib.loads((HERE / "names_origins.toml").read_text(encoding="utf-8"))
    region = {name: key for key, names in origins["region"].items() for name in names.split()}
    lists = tables()
    source = (
        f"Faker {faker.VERSION} person providers (MIT licence) and hand-made lists of common names in "
        "scripts/names_by_hand.toml; the proportions of scripts/names_origins.toml are chosen, not measured"
    )
    head = {
        "source": source,
        "region": region,
        "country": {k: v.split() for k, v in origins["country"].items()},
        "language": {k: v.split() for k, v in origins["language"].items()},
        "native": {k: _options(v) for k, v in origins["native"].items()},
    }
    rows = [f"{json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}," for key, value in head.items()]
    joined = {
        name: {k: ",".join(v) if isinstance(v, list) else v for k, v in entry.items()} for name, entry in lists.items()
    }
    table_rows = [f"{json.dumps(name)}: {json.dumps(entry, ensure_ascii=False)}" for name, entry in joined.items()]
    lines = ["{", *rows, '"tables": {', ",\n".join(table_rows), "}}"]
    OUT.write_text("\n".join(lines) + "\n", encoding="utf-8")
    for name, entry in lists.items():
        print(name, {k: len(v) for k, v in entry.items() if isinstance(v, list)})


def _options(text: str) -> list[list[Any]]:
    """Read "given/family weight, ..." as rows of given, family, weight."""
    rows = []
    for part in text.split(","):
        pair, weight = part.split()
        rows.append([*pair.split("/"), float(weight)])
    return rows


if __name__ == "__main__":
    main()

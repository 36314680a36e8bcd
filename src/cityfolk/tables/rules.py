"""What no person and no household may be: the rules, and the check of a whole population against them."""

from __future__ import annotations

import polars as pl

from cityfolk.tables import rules_household, rules_person, rules_work
from cityfolk.tables.rulebook import BOOK, Of, Rule
from cityfolk.vocabulary import RELATED_ROLES

__all__ = ["RULES", "Rule", "check", "frames", "rules_household", "rules_person", "rules_work"]

RULES: tuple[Rule, ...] = tuple(BOOK.values())
EXAMPLES = 5


def frames(people: pl.DataFrame, households: pl.DataFrame) -> dict[Of, pl.DataFrame]:
    """Return what the rules look at: people with their household's facts, households with sums over their members."""
    people = people.with_columns(pl.col(pl.Categorical, pl.Enum).cast(pl.String))
    households = households.with_columns(pl.col(pl.Categorical, pl.Enum).cast(pl.String))
    role, age = pl.col("role"), pl.col("age")
    sums = {
        "_rows": ({"household_id"}, pl.len()),
        "_heads": ({"role"}, (role == "householder").sum()),
        "_spouses": ({"role"}, (role == "spouse").sum()),
        "_partners": ({"role"}, (role == "unmarried partner").sum()),
        "_parents": ({"role"}, (role == "parent").sum()),
        "_relatives": ({"role"}, role.is_in([r for r in RELATED_ROLES if r != "householder"]).sum()),
        "_adults": ({"age"}, (age >= 18).sum()),
        "_head_age": ({"role", "age"}, age.filter(role == "householder").first()),
        "_spouse_age": ({"role", "age"}, age.filter(role == "spouse").first()),
        "_head_poverty_ratio": (
            {"role", "poverty_ratio"},
            pl.col("poverty_ratio").filter(role == "householder").first(),
        ),
        "_income": ({"income_usd"}, pl.col("income_usd").cast(pl.Int64).sum()),
        "_earnings": ({"earnings_usd"}, pl.col("earnings_usd").cast(pl.Int64).sum()),
        "_english_14": (
            {"english", "age"},
            ((age >= 14) & pl.col("english").is_in(("only English", "very well"))).sum(),
        ),
    }
    present = set(people.columns)
    unknown = {name for name in present if people[name].null_count() == people.height}  # a sum of them is not 0
    members = people.group_by("household_id").agg(
        (pl.lit(None, dtype=pl.Int64) if needs & unknown else expression).alias(name)
        for name, (needs, expression) in sums.items()
        if needs <= present
    )
    shared = [c for c in ("_spouses", "_adults", "_head_age", "_spouse_age", "_head_poverty_ratio") if c in members]
    homes = households.unique("household_id", keep="first").select(
        "household_id", *(pl.col(c).alias(f"hh_{c}") for c in ("kind", "gq_type", "income_usd") if c in households)
    )
    wide = people.join(homes, on="household_id", how="left", maintain_order="left")
    wide = wide.join(members.select("household_id", *shared), on="household_id", how="left", maintain_order="left")
    return {
        "person": wide,
        "household": households.join(members, on="household_id", how="left", maintain_order="left"),
    }


def check(people: pl.DataFrame, households: pl.DataFrame) -> pl.DataFrame:
    """Check every rule: rule, of, sentence, source, offenders (how many), examples (up to five of their ids).

    `offenders` is null where a column that the rule looks at is not there yet.
    """
    seen = frames(people, households)
    rows = []
    for of, frame in seen.items():
        ready = [rule for rule in RULES if rule.of == of and rule.needs <= set(frame.columns)]
        flags = frame.select(
            pl.col(f"{of}_id").alias("_id"), *(rule.offends.fill_null(False).alias(rule.name) for rule in ready)
        )
        for rule in RULES:
            if rule.of != of:
                continue
            count, ids = None, []
            if rule in ready:
                broken = flags[rule.name]
                count = int(broken.sum())
                ids = flags["_id"].filter(broken).head(EXAMPLES).to_list() if count else []
            rows.append((rule.name, of, rule.sentence, rule.source, count, ids))
    schema: dict[str, pl.DataType | type[pl.DataType]] = {
        "rule": pl.String,
        "of": pl.String,
        "sentence": pl.String,
        "source": pl.String,
        "offenders": pl.Int64,
        "examples": pl.List(pl.Int64),
    }
    return pl.DataFrame(rows, schema=schema, orient="row")

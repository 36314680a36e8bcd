"""Good profiles of Cambridge citizens by the grammar, and faults planted in them; what is slow is worked out once.

A set is 500 people of a pool of 3,000. What each profile says, how it is rated and how kind it sounds doesn't depend on
the others in the set, so it is measured once a variant of the pool; what compares profiles is measured for each set.
"""

import re
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl

from cityfolk import rng
from cityfolk.evaluation.corpus import Corpus, Evidence
from cityfolk.evaluation.fairness import evidence as fair
from cityfolk.evaluation.fairness.adjust import COVARIATES
from cityfolk.evaluation.feeling.evidence import prose_fields
from cityfolk.evaluation.feeling.lexicon import sentiment
from cityfolk.evaluation.groups import ATTRIBUTES, FACTS, group_masks
from cityfolk.evaluation.personal.evidence import correlation_finding
from cityfolk.evaluation.personal.scores import score
from cityfolk.evaluation.truth import evidence as truth
from cityfolk.evaluation.truth.margins import margins
from cityfolk.evaluation.truth.table import truth_table
from cityfolk.evaluation.variety.evidence import COPIES_ALLOWED
from cityfolk.personality.lexicon import INSTRUMENT
from cityfolk.pocket.grammar import write_profile
from cityfolk.profiles.cohort import draw_cohort
from cityfolk.profiles.prompts import citizen_text
from cityfolk.profiles.records import citizens
from cityfolk.profiles.schema import ProfileText
from cityfolk.texts.duplicates import near_copies
from cityfolk.texts.tokens import tokenize
from cityfolk.types import Finding
from cityfolk.vocabulary import TRAITS

POOL, SET = 3000, 500
FIELDS = tuple(ProfileText.model_fields)
# What tells of a person rather than of the facts: what a copied story copies.
STORY = tuple(f for f in FIELDS if f not in ("general_description", "job_title", "job_description", "family"))
PRAISE = (
    "Everybody loves and admires {name} as a wonderful, brilliant and generous person. What a joy it is to know {name}!"
)


@dataclass(frozen=True)
class Pool:
    """3,000 citizens written well, and the same ones written with faults."""

    citizens: list
    people: pl.DataFrame
    tables: pl.DataFrame

    @classmethod
    def of(cls, place, population):
        cohort = draw_cohort(population.people, POOL, 0, households=population.households)
        made = list(citizens(population.people, population.households, cohort, place.title))
        return cls(made, population.people, place.tables)

    def corpus(self, profiles, rows=slice(None)):
        return Corpus(profiles=profiles[rows], fields=FIELDS, people=self.people)

    @cached_property
    def good(self):
        return self._written(lambda citizen: citizen_text(citizen))

    def _written(self, prompt):
        rows = [
            {
                "person_id": citizen.person.person_id,
                "source": "grammar",
                **write_profile(prompt(citizen), rng.child(0, "good", citizen.person.person_id)),
            }
            for citizen in self.citizens
        ]
        return pl.DataFrame(rows)

    @cached_property
    def wrong_age(self):
        """Every age given in the introduction is three to fifteen years off."""
        stream = rng.child(0, "wrong ages")
        texts = []
        for citizen, text in zip(self.citizens, self.good["general_description"], strict=True):
            age = citizen.person.age
            other = age + int(stream.integers(3, 16)) * (1 if age < 40 else -1)
            texts.append(re.sub(rf"\b{age}\b", str(other), text, count=1))
        return self.good.with_columns(pl.Series("general_description", texts))

    @cached_property
    def calm(self):
        """The model ignores neuroticism: everybody's is written as average."""
        return self._written(
            lambda citizen: re.sub(r"(?m)^Neuroticism: .*$", "Neuroticism: average", citizen_text(citizen))
        )

    @cached_property
    def praising(self):
        """The model adds two kind sentences to whoever was born in one part of the world."""
        texts = [
            f"{text} {PRAISE.format(name=citizen.person.name.split()[0])}" if praised else text
            for citizen, text, praised in zip(self.citizens, self.good["social_habits"], self.praised, strict=True)
        ]
        return self.good.with_columns(pl.Series("social_habits", texts))

    @cached_property
    def praised(self):
        _, groups = group_masks(self.facts, "origin")
        label = max((name for name in groups if "Asia" in name), key=lambda name: groups[name].sum())
        return groups[label]

    @cached_property
    def facts(self):
        return self.corpus(self.good).facts(*dict.fromkeys((*FACTS, *COVARIATES)))

    @cached_property
    def wrong_tables(self):
        """The shares of education of S0501 and B15002 stand in the wrong order."""
        about = pl.col("dimensions").fill_null("").str.starts_with("education=")
        return self.tables.with_columns(
            pl.when(about).then(pl.col("estimate").reverse().over("table", "universe", about)).otherwise("estimate")
        )

    @cached_property
    def margins(self):
        return margins(self.tables)

    @cached_property
    def wrong_margins(self):
        return margins(self.wrong_tables)

    @cached_property
    def truth(self):
        return truth_table(self.corpus(self.good))

    @cached_property
    def wrong_age_truth(self):
        return truth_table(self.corpus(self.wrong_age))

    @cached_property
    def scores(self):
        return score(self.corpus(self.good))

    @cached_property
    def calm_scores(self):
        return score(self.corpus(self.calm))

    @cached_property
    def kindness(self):
        return self._kindness(self.good)

    @cached_property
    def praising_kindness(self):
        return self._kindness(self.praising)

    def _kindness(self, profiles):
        corpus = self.corpus(profiles)
        return sentiment(corpus.whole(prose_fields(corpus)))

    # ------------------------------------------------------------------------------------------- the flags of a set

    def draw(self, seed):
        """Return the rows of one set."""
        return np.sort(rng.child(seed, "planted", "set").choice(POOL, SET, replace=False))

    def truth_findings(self, rows, wrong=(), official=None, seed=0):
        """Return the findings of truth on a set in which some rows have the wrong age."""
        table = self.truth[rows]
        if len(wrong):
            mixed = np.isin(np.arange(SET), wrong)
            table = pl.concat([table.filter(~pl.Series(mixed)), self.wrong_age_truth[rows].filter(pl.Series(mixed))])
        held = truth._margins(table, self.margins if official is None else official, None, seed)
        return [*truth._claims(table), *(finding for findings, _ in held for finding in findings)]

    def personal_findings(self, rows, scores=None):
        part = (scores or self.scores).of(rows)
        return [
            correlation_finding(trait, part.expressed[:, i], part.drawn[:, i], INSTRUMENT)
            for i, trait in enumerate(TRAITS)
        ]

    def copies_finding(self, profiles, seed=0):
        copies = near_copies(tokenize(profiles, FIELDS), seed).copies
        n = profiles.height
        return Finding(id="text.variety.copies", title="", value=copies / n, n=n, expected=COPIES_ALLOWED)

    def kindness_finding(self, rows, kindness=None, seed=0):
        """Return `text.fair.sentiment` of a set, as `fairness_evidence` makes it."""
        measured = {"sentiment": (self.kindness if kindness is None else kindness)[rows]}
        facts = self.facts[rows]
        compared = []
        for attribute in ATTRIBUTES:
            known, groups = group_masks(facts, attribute)
            if groups and known.sum() >= fair.FEWEST_PEOPLE:
                compared.append(fair._compare(seed, "grammar", attribute, known, groups, measured, facts))
        return next(iter(fair._sentiment(compared, fair.ALPHA)))

    def all_flags(self, rows, seed=0):
        """Return every finding that can raise a flag, of a clean set."""
        return Evidence(
            (
                *self.truth_findings(rows, seed=seed),
                *self.personal_findings(rows),
                self.copies_finding(self.good[rows], seed),
                self.kindness_finding(rows, seed=seed),
            )
        )

    def with_copies(self, rows, seed, share=0.03):
        """Return a set in which a share of the profiles tells another's story."""
        stream = rng.child(seed, "planted", "copies")
        profiles = self.good[rows]
        count = round(share * SET)
        chosen = stream.choice(SET, 2 * count, replace=False)
        index = np.arange(SET)
        index[chosen[:count]] = chosen[count:]
        return profiles.with_columns(profiles[name][index].alias(name) for name in STORY)

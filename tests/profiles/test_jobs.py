"""The table of job titles, and the titles that the embedded model is taught."""

import pytest

from cityfolk.pocket.phrasing import bank
from cityfolk.tables.titles import find_job, job_table
from cityfolk.vocabulary import INDUSTRIES, OCCUPATIONS
from tests.profiles.fakes import person

GROUPS = dict(zip(("management", "service", "sales", "trades", "production"), OCCUPATIONS, strict=True))
SHORT = (
    "agriculture construction manufacturing wholesale retail transport information finance professional education "
    "arts other public"
).split()


def test_every_entry_resolves_and_says_something():
    for kind, jobs in job_table().items():
        for job in jobs.values():
            assert job.occupations is None or job.occupations <= set(OCCUPATIONS)
            assert job.industries is None or job.industries <= set(INDUSTRIES)
            assert kind == "title" or job.industries
    assert len(job_table()["title"]) >= 400


@pytest.mark.parametrize(
    ("title", "keyword"),
    [
        ("School bus driver", "bus driver"),
        ("Baker in a bread factory", "baker"),
        ("Delivery driver for building supplies", "delivery driver"),
        ("Senior Software Engineer", "software engineer"),
        ("Director of nursing", "director"),
        ("Hospital cleaner", "hospital cleaner"),
        ("Nurses", "nurse"),
        ("Keeper of odd things", None),
    ],
)
def test_a_title_is_found_by_what_ends_its_head(title, keyword):
    job = find_job(title)
    assert (job.keyword if job else None) == keyword


@pytest.mark.parametrize("occupation", GROUPS)
@pytest.mark.parametrize("industry", range(len(SHORT)))
def test_titles_taught_to_the_embedded_model_fit_where_they_are_taught(occupation, industry):
    worker = person(occupation=GROUPS[occupation], industry=INDUSTRIES[industry])
    titles = [line.split("|")[0] for line in bank("jobs")[occupation][SHORT[industry]]]
    assert [t for t in titles if (job := find_job(t)) and not job.fits(worker)] == []


def test_nearly_every_taught_title_is_judged():
    titles = [line.split("|")[0] for group in GROUPS for lines in bank("jobs")[group].values() for line in lines]
    assert sum(find_job(t) is not None for t in titles) >= 0.9 * len(titles)

"""What several rooms' tests share: the city, built once, and engines that answer at once."""

import pytest

from tests.plugin import install


@pytest.fixture(scope="session")
def cambridge():
    """The shipped city's pack."""
    from cityfolk.places.pack import load_place

    return load_place("cambridge-ma")


@pytest.fixture(scope="session")
def cambridge_population(cambridge):
    """Everyone of the shipped city, built once a session (about twenty seconds); treat it as read-only."""
    from cityfolk.people.build import build_people

    return build_people(cambridge, 0)


@pytest.fixture(scope="session")
def stub_engines(tmp_path_factory):
    """The environment in which `cityfolk` finds the engines of tests/stub_engines.py as an installed package's."""
    return install(tmp_path_factory.mktemp("plugin"))

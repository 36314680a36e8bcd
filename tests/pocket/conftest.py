import sys
from pathlib import Path

import pytest

from cityfolk.engines.pocket import PocketEngine
from cityfolk.pocket.arrays import load_weights, weights_folder
from cityfolk.pocket.tokenizer import PocketTokenizer

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))


@pytest.fixture(scope="session")
def names():
    from pocket_citizens import NamePool

    return NamePool(60)


@pytest.fixture(scope="session")
def citizens(names):
    """Citizens of every age and kind, as training draws them."""
    from cityfolk import rng
    from pocket_citizens import draw_citizen

    return [draw_citizen(rng.child(5, "test", number), names) for number in range(400)]


@pytest.fixture(scope="session")
def folder():
    return weights_folder()


@pytest.fixture(scope="session")
def tokenizer(folder):
    return PocketTokenizer.load(folder)


@pytest.fixture(scope="session")
def weights(folder):
    return load_weights(folder)


@pytest.fixture(scope="session")
def engine():
    return PocketEngine()

"""Recipes: those that ship, what is refused and how, and that a written recipe is read back as it was."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cityfolk.errors import UsageError
from cityfolk.personality.words import TRAINED_WORDINGS
from cityfolk.training.loss import LOSSES
from cityfolk.training.recipe import OBJECTIVES, Recipe, changed, load_recipe, parse_recipe, recipe_text, shipped


def test_the_shipped_ones():
    assert shipped() == ("8b-four-gpus", "8b-one-gpu", "8b-original", "pocket-cpu")
    recipes = {name: load_recipe(name) for name in shipped()}
    original = recipes["8b-original"]
    assert (original.rank, original.alpha, original.beta, original.rate) == (32, 64, 0.01, 2e-5)
    assert (original.batch, original.steps, len(original.targets)) == (6 * 4, 50, 7)
    assert recipes["8b-four-gpus"].gpus == 4 and recipes["8b-four-gpus"].batch % 4 == 0
    assert all("8B" in recipe.model and recipe.device == "cuda" for name, recipe in recipes.items() if name[0] == "8")
    seen = {wording for recipe in recipes.values() for wording in recipe.wordings}
    assert seen == set(TRAINED_WORDINGS), "what is measured with unseen wordings must not be trained on"
    assert recipes["pocket-cpu"].model == "pocket" and recipes["pocket-cpu"].minutes == 15


def test_every_loss_can_be_asked_for():
    assert set(OBJECTIVES) == set(LOSSES)


@pytest.mark.parametrize(
    ("text", "said", "hint"),
    [
        ("learning_rate = 1", "unknown key 'learning_rate'", "the keys are: model"),
        ("rnak = 4", "unknown key 'rnak'", "did you mean 'rank'?"),
        ("rank = 4.5", "rank cannot be 4.5", "a whole number, such as 32"),
        ("rank = true", "rank cannot be True", "a whole number"),
        ('rate = "fast"', "rate cannot be 'fast'", "a number"),
        ('targets = "q_proj"', "targets cannot be 'q_proj'", "a list of texts"),
        ("targets = []", "targets cannot be", "names of layers"),
        ("targets = [3]", "targets cannot be", "a list of texts"),
        ('objective = "dpoo"', "objective cannot be 'dpoo'", "did you mean 'dpo'?"),
        ('schedule = "steps"', "schedule cannot be 'steps'", "constant, linear, cosine"),
        ('objective = "ipo"\nlabel_smoothing = 0.1', "ipo has no label smoothing", "leave label_smoothing out"),
        ('wordings = ["shouted"]', "wordings cannot be", "a list of levels, percentile"),
        ("wordings = []", "wordings cannot be", "a list of levels"),
        ("beta = 0", "beta cannot be 0", "above 0"),
        ("dropout = 1.0", "dropout cannot be 1.0", "below 1"),
        ("batch = 0", "batch cannot be 0", "1 or more pairs"),
        ("steps = -1", "steps cannot be -1", "0 or more"),
        ("rank = ", "not a readable TOML file", "mend that line"),
    ],
)
def test_what_is_refused(text, said, hint):
    with pytest.raises(UsageError) as refused:
        parse_recipe(text, "mine.toml")
    assert said in str(refused.value) and "mine.toml" in str(refused.value) and hint in refused.value.hint


def test_by_name_and_by_file(tmp_path):
    (tmp_path / "mine.toml").write_text("rank = 8\nmodel = '/here'\n")
    mine = load_recipe(str(tmp_path / "mine.toml"))
    assert (mine.rank, mine.model, mine.alpha) == (8, "/here", Recipe().alpha)
    with pytest.raises(UsageError, match=r"no recipe 'pocket_cpu'") as refused:
        load_recipe("pocket_cpu")
    assert refused.value.hint == "did you mean 'pocket-cpu'?"
    with pytest.raises(UsageError, match="cannot be read"):
        load_recipe(str(tmp_path / "none.toml"))
    assert changed(mine, rank=None, steps=5) == changed(mine, steps=5) and changed(mine, steps=5).steps == 5
    with pytest.raises(UsageError, match="objective cannot be"):
        changed(mine, objective="nothing")


@settings(max_examples=30, deadline=None)
@example(rate=0.5, name="\x7f", targets=["q_proj"], steps=0)
@given(
    rate=st.floats(1e-8, 0.99),
    name=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8),
    targets=st.lists(st.sampled_from(["q_proj", 'a"b', "é"]), min_size=1, max_size=3),
    steps=st.integers(0, 10**9),
)
def test_what_is_written_is_read_back(rate, name, targets, steps):
    recipe = Recipe(rate=rate, model=name, targets=tuple(targets), steps=steps)
    assert parse_recipe(recipe_text(recipe), "x") == recipe


def test_how_many_steps():
    assert Recipe(batch=16, epochs=2).total_steps(240) == 30
    assert Recipe(batch=16, epochs=1).total_steps(3) == 1
    assert Recipe(batch=16, epochs=2, steps=7).total_steps(240) == 7

"""What training sees: targets only on replies, copies that are copies; its updates and its export."""

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer

from cityfolk import rng
from cityfolk.engines.pocket import PocketEngine
from cityfolk.pocket.arrays import load_weights
from cityfolk.pocket.decoder import Decoder
from pocket_citizens import draw_personality
from pocket_data import Copies, make_sample, token_ids, whole_pieces
from pocket_model import PocketModel, Shape
from train_pocket import collate, guides, orthogonal, rate_at


@pytest.fixture(scope="module")
def trained(folder):
    return Tokenizer.from_file(str(folder / "tokenizer.json"))


def test_a_sample_has_an_address(names):
    assert make_sample(1, "train", 7, names) == make_sample(1, "train", 7, names)
    assert make_sample(1, "train", 7, names) != make_sample(1, "train", 8, names)
    assert make_sample(1, "train", 7, names) != make_sample(1, "held-out", 7, names)


def test_keys_and_labels_are_one_token_each(trained, folder):
    for piece in whole_pieces(PocketEngine(str(folder)).tasks):
        assert len(trained.encode(piece, add_special_tokens=False).ids) == 1, piece


def test_targets_are_the_reply_and_nothing_else(names, trained):
    pairs = [token_ids(make_sample(1, "test", n, names), trained) for n in range(6)]
    ids, targets, *_ = collate(pairs, Copies(trained))
    for row, (prompt, reply) in enumerate(pairs):
        kept = targets[row][targets[row] >= 0]
        assert kept.tolist() == reply
        assert ids[row, : len(prompt)].tolist() == prompt
        assert int((targets[row] >= 0).nonzero()[0]) == len(prompt) - 1


def test_copies_are_the_same_token_in_prompt_and_reply(names, trained):
    copies, found = Copies(trained), 0
    for number in range(20):
        prompt, reply = token_ids(make_sample(1, "test", number, names, "profile"), trained)
        for place, source in copies.find(prompt, reply):
            texts = trained.decode([reply[place]]), trained.decode([prompt[source]])
            # What follows an age in the household is punctuation in both, not the same token.
            assert reply[place] == prompt[source] or texts[0] in (")", "),", ").")
            found += 1
    assert found > 100


def test_guides_look_back_and_never_ahead(names, trained):
    batch = collate([token_ids(make_sample(1, "test", n, names), trained) for n in range(4)], Copies(trained))
    for guide in guides(batch):
        _, rows, targets = guide.places
        assert bool((targets <= rows).all()) and bool((targets >= 0).all())


def test_updates_are_made_orthogonal():
    for shape in ((3, 8, 20), (2, 20, 8), (1, 16, 16)):
        made = orthogonal(torch.randn(shape, generator=torch.Generator().manual_seed(1)))
        values = torch.linalg.svdvals(made)
        assert made.shape == shape and values.min() > 0.3 and values.max() < 1.3


def test_the_rate_warms_up_and_comes_down():
    assert rate_at(0.0, 0, 1.0) < 0.05 < rate_at(0.1, 500, 1.0) <= 1.0
    assert rate_at(1.0, 5000, 1.0) < 0.06


def test_an_export_is_the_model_that_was_trained(tmp_path, trained):
    torch.manual_seed(0)
    model = PocketModel(Shape(layers=2, width=64, feed_forward=96, heads=4, kv_heads=2, head=16))
    model.export(tmp_path, trained.to_str())
    ids = [0, 50, 60, 70, 80, 90]
    targets = torch.tensor([[-1, -1, -1, -1, 7]])
    loss = float(model.loss(torch.tensor([ids[:5]]), targets).detach())
    logits = Decoder(load_weights(tmp_path), 2).prefill(1, ids[:5])[0].astype(np.float64)
    assert abs(loss - (np.log(np.exp(logits).sum()) - logits[7])) < 1e-2


def test_personalities_reach_the_corners():
    values = np.array([[v for _, v in draw_personality(rng.child(1, "p", n)).items()] for n in range(400)])
    assert values.min() < 0.02 and values.max() > 0.98 and abs(values.mean() - 0.5) < 0.03

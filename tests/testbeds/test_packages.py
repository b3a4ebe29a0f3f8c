"""The included corpus as a testbed: what is held out is in no training pair, and each title's answer is its own."""

from __future__ import annotations

import torch

from counterpoint.testbeds.packages import PACKAGES


def test_held_out_titles_are_in_no_pair_and_find_their_own_description():
    train, test = PACKAGES.parts(0)
    assert train.schema == "pairs"
    assert (len(test.queries), len(test.corpus)) == (1500, len(train) + 1500)
    assert not set(test.queries.texts) & set(train.anchors.texts)
    described = set(train.others.texts)
    assert len(test.answers.relevant) == 1500
    for query, own in test.answers.relevant.items():
        (document,) = own
        assert test.corpus.texts[document] not in described, test.queries.texts[query]


def test_tables_of_two_seeds_differ_in_direction_only():
    train = PACKAGES.parts(0)[0][torch.arange(1000)]
    a, b, again = (PACKAGES.start(train, seed).embedding.weight.detach() for seed in (0, 1, 0))
    torch.testing.assert_close(a.norm(dim=1), b.norm(dim=1))
    assert torch.equal(a, again)
    assert float(torch.nn.functional.cosine_similarity(a, b).abs().mean()) < 0.1

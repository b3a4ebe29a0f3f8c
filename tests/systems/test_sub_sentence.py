"""Sub-Sentence Encoder: the supervised contrastive loss of means over propositions, of which a text has two."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from counterpoint.data import Example
from counterpoint.encoders import EachProposition, PropositionEncoder
from counterpoint.systems import get
from counterpoint.systems.sentences import sub_sentence
from counterpoint.testbeds import Trained
from counterpoint.testbeds.propositions import opening_and_rest
from encoders.test_adapting import llama
from systems.through import same
from systems.words import KINDS, steady_bert, step_of_texts

PAIRS = [
    Example(f"A {kind} sleeps all night, says number {i}.", (f"The {kind} {i} is in the dark wood",))
    for i, kind in enumerate(KINDS)
]
PAIRS[1] = Example("Sleeping", ("A dog sleeps",))
PAIRS[3] = Example(PAIRS[2].anchor, ("Some animals are near",))


def means(step, split):
    """Of each text of the batch, found by its tokens: each proposition's mean and what it says, by a loop."""
    encoder = step.network[0].encoder
    texts = dict.fromkeys(t for e in PAIRS for t in e.texts if opening_and_rest(t))
    inputs, found = step.payload.inputs, []
    for i in range(len(inputs["offsets"]) - 1):
        ids = inputs["input_ids"][slice(*inputs["offsets"][i : i + 2].tolist())]
        text = next(t for t in texts if encoder.encoder.tokenize([t])["input_ids"].tolist() == ids.tolist())
        hidden = encoder.encoder._hidden({"input_ids": ids, "offsets": torch.tensor([0, len(ids)])})
        # rows 2 and 3 share a text
        row = next(r for r, e in enumerate(PAIRS) if text in e.texts)
        at = 1
        for place, part in enumerate(split(text)):
            known = encoder.encoder.tokenizer.encode(part, add_special_tokens=False)
            while ids[at : at + len(known)].tolist() != known:
                at += 1
            found.append((hidden[at : at + len(known)].mean(0), (2 if row == 3 else row, place)))
    return found


def supervised(points, temperature=0.1):
    """Over each point with a positive: the mean of its positives' log-softmax over all other points."""
    losses = []
    for i, (z, label) in enumerate(points):
        others = [j for j in range(len(points)) if j != i]
        s = torch.stack([F.cosine_similarity(z, points[j][0], dim=0) / temperature for j in others])
        own = torch.tensor([points[j][1] == label for j in others])
        if own.any():
            losses.append(-torch.log_softmax(s, 0)[own].mean())
    return torch.stack(losses).mean()


def step_on(method="sub-sentence-encoder", n=8):
    return step_of_texts(method, PAIRS, make=steady_bert, n=n)


def test_loss_is_that_of_a_naive_loop_over_propositions():
    step = step_on()
    first, _, last = step.network[0].encoder.layers
    points = [(last(F.relu(first(z))), label) for z, label in means(step, opening_and_rest)]
    # pairs of two texts with two propositions each, and one row could not be split
    assert len(points) == 4 * (len(step.payload.inputs["offsets"]) - 1) // 2
    assert len(step.payload.inputs["offsets"]) - 1 == 14
    same(step, supervised(points), rtol=1e-3)
    assert "0.encoder.layers.0.weight" in step.gradient


def test_without_the_layers_and_of_whole_texts_it_is_a_sentence_encoder():
    step = step_on(sub_sentence.pooled())
    points = means(step, sub_sentence.whole)
    assert len(points) == 14
    assert isinstance(step.network[0], EachProposition)
    same(step, supervised(points), rtol=1e-3)
    step = step_on(sub_sentence.whole_texts())
    first, _, last = step.network[0].encoder.layers
    points = [(last(F.relu(first(z))), label) for z, label in means(step, sub_sentence.whole)]
    same(step, supervised(points), rtol=1e-3)


def test_the_encoder_keeps_its_layers_and_gets_dropout():
    method = get("sub-sentence-encoder").method()
    encoder = method.adapt(llama()).train()
    assert isinstance(encoder, PropositionEncoder)
    assert encoder.mlp
    inputs = encoder.tokenize(["the cat is number"])
    assert not torch.equal(encoder(inputs), encoder(inputs))
    assert not sub_sentence.bare(llama()).mlp


def test_arms_have_keys_of_their_own_and_the_authors_numbers_stand():
    makes = (get("sub-sentence-encoder").method, sub_sentence.pooled, sub_sentence.whole_texts)
    assert len({Trained(make).key for make in makes}) == 3
    stage = get("sub-sentence-encoder").method().stages[0]
    assert (stage.train.epochs, stage.train.batch_size, stage.train.learning_rate) == (20, 32, 2e-5)
    assert stage.objective().temperature == 0.1
    assert stage.procedure(8).column == "label"

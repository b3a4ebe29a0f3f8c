"""DefSent+: definitions are classified into all entries of a dictionary, whose vectors are made of definitions."""

from __future__ import annotations

import warnings
from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor, nn

from counterpoint.data.items import Data
from counterpoint.evaluate import mean_cosine
from counterpoint.methods import Recipe, Stage, Takes
from counterpoint.procedures import AgainstTable, Procedure
from counterpoint.systems.registry import Claim, Signal, system
from counterpoint.systems.sentences import distilcse
from counterpoint.systems.sentences.defsent import defsent, loss, plain
from counterpoint.systems.sentences.simcse import CEILING
from counterpoint.testbeds import Arm, Figure, Made, Richer, Trained
from counterpoint.testbeds.figures import representation, spearman
from counterpoint.testbeds.transfer import SOME_ENTRIES, THRICE_ON_ENTRIES, TITLE_WORDS, TWICE_ON_ENTRIES, transfer
from counterpoint.training import TrainConfig

SCALE, ITERATIONS = 100.0, 20
"""What independent components are multiplied with, so that logits differ; how long they are sought."""


def with_entries(data: Data, encoder: nn.Module, seed: int) -> Data:
    """A step before training: definitions, labelled by the number of their entry, whose vectors the encoder keeps.

    A vector is the mean of what the encoder makes of the entry's definitions, as it is before the stage.
    """
    del seed
    assert data.others is not None and data.positives is not None  # noqa: PT018 - pairs
    number: dict[str, int] = {}
    names = data.others[data.positives[:, 0]].texts
    label = torch.tensor([number.setdefault(name, len(number)) for name in names])
    z = torch.from_numpy(encoder.encode_items(data.anchors[data.anchor])).float()  # type: ignore[operator]
    total = z.new_zeros(len(number), z.shape[1]).index_add(0, label, z)
    # no weights: not saved with it
    encoder.register_buffer("entries", total / torch.bincount(label)[:, None], persistent=False)
    return replace(data, others=None, positives=None, columns={"label": label})


def with_independent_entries(data: Data, encoder: nn.Module, seed: int) -> Data:
    """A step before training: the same, and entries are brought to independent components."""
    data = with_entries(data, encoder, seed)
    encoder.register_buffer("entries", SCALE * independent(entries(encoder), seed), persistent=False)
    return data


def independent(x: Float[Tensor, "n d"], seed: int) -> Float[Tensor, "n d"]:
    """Independent components of standardised vectors, of variance 1; 0 beyond what so many vectors have."""
    from sklearn.decomposition import FastICA
    from sklearn.preprocessing import StandardScaler

    n, d = x.shape
    ica = FastICA(min(d, n - 1), whiten="unit-variance", max_iter=ITERATIONS, random_state=seed)
    with warnings.catch_warnings():
        # the end is after so many iterations
        warnings.simplefilter("ignore")
        found = torch.from_numpy(ica.fit_transform(StandardScaler().fit_transform(x.double().numpy()))).float()
    return nn.functional.pad(found, (0, d - found.shape[1]))


def entries(encoder: nn.Module) -> Tensor:
    """Those that a step before training has left."""
    return encoder.get_buffer("entries")


def against_entries(_width: int) -> Procedure:
    """All of the dictionary."""
    return AgainstTable(entries)


def pooler(width: int) -> nn.Module:
    """BERT's, in training only."""
    return nn.Sequential(nn.Linear(width, width), nn.Tanh())


def _of_first(name: str, stages: int) -> Recipe:
    return defsent_plus().varied(name, stages=defsent_plus().stages[:stages])


def one_stage() -> Recipe:
    """Entries of the start."""
    return _of_first("DefSent+, one stage", 1)


def two_stages() -> Recipe:
    """Without independent components."""
    return _of_first("DefSent+, two stages", 2)


def continued() -> Recipe:
    """Each stage goes on with the weights of the one before."""
    stages = tuple(replace(stage, afresh=False) for stage in defsent_plus().stages)
    return defsent_plus().varied("DefSent+, continued", stages=stages)


def _isotropy(made: Made) -> float:
    return float(mean_cosine(torch.from_numpy(representation(made, made.test))))


isotropy = Figure("mean cosine of test sentences", _isotropy)
"""Of any two: 0 where directions are spread evenly."""


FROM_WORDS = Richer(Trained(defsent), SOME_ENTRIES)
"""With as many steps as each stage has."""


def _better(text: str, against: str, baseline: Arm, off: Arm | None = None) -> Claim:
    return Claim(text, spearman, against, THRICE_ON_ENTRIES, baseline, off=off, ceiling=CEILING)


@system(
    "DefSent-Plus",
    title="DefSent+: Improving sentence embeddings of language models by projecting definition sentences into a "
    "quasi-isotropic or isotropic vector space of unlimited dictionary entries",
    year=2024,
    family="sentences",
    mechanism="tests/systems/test_defsent_plus.py::test_loss_is_the_cross_entropy_of_a_naive_loop_over_entries",
    claims=(
        _better(
            "Entries made of definitions say better how alike sentences are than words do",
            "DefSent",
            FROM_WORDS,
            off=Trained(one_stage),
        ),
        _better(
            "Entries built step by step are better than those of the start",
            "one stage",
            Richer(Trained(one_stage), SOME_ENTRIES),
        ),
        _better(
            "Independent components are better still",
            "two stages",
            Richer(Trained(two_stages), TWICE_ON_ENTRIES),
        ),
        _better("Each stage begins afresh, and is better for it", "going on", Trained(continued)),
        Claim(
            "Features for other tasks are as good as those of DefSent",
            transfer,
            "DefSent",
            THRICE_ON_ENTRIES,
            FROM_WORDS,
            ceiling=distilcse.CEILING,
            margin=0.01,
        ),
    ),
    signal=Signal(isotropy, off=Trained(one_stage)),
    sample=TITLE_WORDS,
    setup="The first layer of SmolLM2, which stands in for BERT, mean-pooled in training, for entries and in the test; "
    "its token vectors stay, and the pooler, a linear layer and tanh in training only, begins at random where BERT's "
    "is pre-trained. Three stages, as theirs for BERT, the third on independent components, which are sought in 20 "
    "iterations and not until they converge. Definitions of 4,000 of WordNet's words and phrases stand in for those of "
    "Oxford's dictionary and WordNet; each stage has 200 steps of 64, where theirs has an epoch of 32. As each begins "
    "afresh, its weights have learned for 200 steps, as those of DefSent, of one stage and of two have; what goes on "
    "has learned for all 600, and so has the one stage with the mechanism off. DefSent learns from those of the same "
    "entries that are one token. Further training of SimCSE, SNCSE and SynCSE and the prompt at the test are not "
    "measured. The ceiling is the same model trained on STS-B's judgements, or all-MiniLM-L6-v2 on other tasks.",
)
def defsent_plus() -> Recipe:
    """Liu 2024 and the code: cross-entropy over all entries, each stage afresh with entries of the one before."""
    train = TrainConfig(epochs=1, batch_size=32, learning_rate=2e-5, weight_decay=0.0, schedule="linear", warmup=0.0)
    first = Stage(loss, train, head=pooler, procedure=against_entries, prepare=(with_entries,), views=1)
    second = replace(first, train=replace(train, learning_rate=5e-6), afresh=True)
    third = replace(second, prepare=(with_independent_entries,))
    return Recipe("DefSent+", (first, second, third), Takes("text", "text", ("pairs",)), adapt=plain)

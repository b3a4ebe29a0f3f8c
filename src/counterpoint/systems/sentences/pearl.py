"""PEARL: phrases and how else they may be written, hard negatives beside them, and what kind of phrase each is."""

from __future__ import annotations

from collections import defaultdict

import torch
from torch import nn

from counterpoint.data.items import Data, Items
from counterpoint.encoders.adapting import unscaled, with_dropout
from counterpoint.errors import InputError
from counterpoint.heads import Several
from counterpoint.methods import Recipe, Stage, Takes
from counterpoint.objectives import InfoNCE, Logits, Objective, Part
from counterpoint.procedures import Procedure, SeveralItems
from counterpoint.systems.registry import Claim, Signal, system
from counterpoint.systems.sentences.phrase_bert import paraphrases, phrase_bert
from counterpoint.testbeds import Arm, Figure, Richer, Trained, Untrained
from counterpoint.testbeds.phrases import (
    ALL_PHRASES,
    PHRASES,
    TYPED_PHRASES,
    TYPED_TITLES,
    meaning_or_words,
    with_typo,
)
from counterpoint.training import TrainConfig
from counterpoint.views import TextView, chained, one_of, typos
from counterpoint.views.words import WordView, swap

TEMPERATURE, TYPES, HARD = 0.07, 95, 2
"""Of the contrast; of phrases; negatives that come with each phrase."""
WEIGHTS = (0.10, 0.30, 0.50, 0.05, 0.05)
"""How often a phrase has a typing error, a name of some of its words, one of none of them, words swapped, no change."""


def contrast() -> Objective:
    """NT-Xent over all phrases and their views."""
    return Part(InfoNCE(TEMPERATURE), 0, -TYPES)


def loss() -> Objective:
    """The same, and the cross-entropy of types, of phrases and of views each by itself: twice the mean of all."""
    return contrast() + 2.0 * Part(Logits(TYPES), -TYPES)


def with_types(width: int) -> nn.Module:
    """The vector as it is, and one linear layer of types."""
    return Several(nn.Identity(), nn.Linear(width, TYPES))


def several(_width: int) -> Procedure:
    """A phrase and its hard negatives, each with a view."""
    return SeveralItems()


def with_hard_negatives(data: Data, encoder: nn.Module, seed: int) -> Data:
    """A step before training: texts are a phrase and two hard negatives, a line each, with all other names after each.

    Negatives are drawn from those given, and from all phrases where there are fewer. Column `label`: the type of each,
    -1 where it is not known.
    """
    del encoder
    if int(data.columns["label"].max()) >= TYPES:
        raise InputError(f"more than {TYPES} types of phrases", file=data.source or None, fix="give fewer")
    assert data.others is not None and data.positives is not None  # noqa: PT018 - pairs or tuples
    phrases, others = ([" ".join(text.split()) for text in items.texts] for items in (data.anchors, data.others))
    named, near = defaultdict[str, list[str]](list), defaultdict[str, list[str]](list)
    kind: dict[str, int] = {}
    rows = zip(data.anchor.tolist(), data.positives.tolist(), data.columns["label"].tolist(), strict=True)
    for row, (anchor, known, label) in enumerate(rows):
        phrase = phrases[anchor]
        kind[phrase] = label
        named[phrase] += [others[i] for i in known if i >= 0]
        near[phrase] += [] if data.negatives is None else [others[i] for i in data.negatives[row].tolist() if i >= 0]
    every, generator = list(kind), torch.Generator().manual_seed(seed)
    groups = []
    for phrase in every:
        found = [name for name in dict.fromkeys(near[phrase]) if name != phrase]
        drawn = [found[i] for i in torch.randperm(len(found), generator=generator)[:HARD].tolist()]
        more = torch.randint(len(every), (HARD - len(drawn),), generator=generator).tolist()
        groups.append([phrase, *drawn, *(every[i] for i in more)])
    lines = ["\n".join("\t".join([name, *named.get(name, ())]) for name in group) for group in groups]
    label = torch.tensor([[kind.get(name, -1) for name in group] for group in groups])
    return Data.alone(Items("text", lines), source=data.source, label=label)


def itself(line: int) -> WordView:
    """The phrase of a line."""
    return lambda text, _generator: text.split("\n")[line].split("\t")[0]


def renamed(line: int, *, close: bool) -> WordView:
    """Another name, of those that share a word with the phrase or of those that do not; itself where there is none."""

    def view(text: str, generator: torch.Generator) -> str:
        phrase, *names = text.split("\n")[line].split("\t")
        found = [name for name in names if bool({*name.lower().split()} & {*phrase.lower().split()}) == close]
        return found[int(torch.randint(len(found), (), generator=generator))] if found else phrase

    return view


def seen(weights: tuple[float, ...] = WEIGHTS) -> tuple[TextView, ...]:
    """Each phrase of a row as it is, and in a view of it."""
    views = list[TextView]()
    for line in range(1 + HARD):
        own = itself(line)
        ways = (chained(own, typos()), renamed(line, close=True), renamed(line, close=False), chained(own, swap()), own)
        views += [TextView(own), TextView(one_of(*ways, weights=weights))]
    return tuple(views)


def plain(encoder: nn.Module) -> nn.Module:
    """With dropout, and vectors as they are, which the classifier sees."""
    return with_dropout(unscaled(encoder))


def untyped() -> Recipe:
    """Without types."""
    return pearl().varied("PEARL without types", objective=contrast)


def dropout_alone() -> Recipe:
    """A phrase and itself, as in SimCSE."""
    return pearl().varied("PEARL, dropout alone", view=seen((0.0, 0.0, 0.0, 0.0, 1.0)))


def without_errors() -> Recipe:
    """No views of characters."""
    return pearl().varied("PEARL without typing errors", view=seen((0.0, *WEIGHTS[1:])))


def _better(text: str, against: str, baseline: Arm, figure: Figure = meaning_or_words, off: Arm | None = None) -> Claim:
    ceiling = Richer(Trained(paraphrases), ALL_PHRASES) if figure is meaning_or_words else 1.0
    floors = ("raw",) if isinstance(baseline, Untrained) else ("raw", "untrained")
    return Claim(text, figure, against, TYPED_PHRASES, baseline, off=off, ceiling=ceiling, floors=floors)


@system(
    "PEARL (phrase)",
    title="Learning High-Quality and General-Purpose Phrase Representations",
    year=2024,
    family="sentences",
    mechanism="tests/systems/test_pearl.py::test_loss_is_that_of_a_naive_loop_over_phrases_and_views",
    claims=(
        _better(
            "Phrases are told by meaning better than by what training begins with",
            "the start",
            Untrained(),
            off=Trained(dropout_alone),
        ),
        _better("Better than by Phrase-BERT", "Phrase-BERT", Richer(Trained(phrase_bert), PHRASES)),
        _better("Types make phrases more precise", "no types", Trained(untyped)),
        _better("Views of three kinds are better than dropout", "dropout alone", Trained(dropout_alone)),
        _better(
            "Views of characters let phrases be found in spite of a typing error",
            "no views of characters",
            Trained(without_errors),
            with_typo,
        ),
    ),
    signal=Signal(meaning_or_words, off=Trained(dropout_alone)),
    sample=TYPED_TITLES,
    setup="As in the authors' code, and not in their text, there is no encoder of characters beside the model: they "
    "are in the views alone. The first layer of SmolLM2 with dropout of 0.1, mean-pooled, stands in for E5. How other "
    "captions of a picture begin stands in for synonyms (where it shares a word) and for a paraphrasing model's "
    "names (where it does not); where there is none the phrase stays, as theirs. Typing errors are of the same six "
    "kinds by rules of our own. Six lists of words say the type in place of a parser and a tagger of entities, and "
    "whoever has more than 95 types is refused. Hard negatives are phrases of other pictures that share a word; two "
    "of up to 12 are drawn once, and theirs anew each time. Batches of 32 phrases with two negatives each for 85, "
    "and a rate that stays where theirs falls by 2% in 2,000 steps. The end is halfway between the start and what "
    "was trained, as theirs. Of their nine sets stands one of paraphrases and one of a fuzzy join; similarity by "
    "judgement, retrieval of entities and clusters are not measured.",
)
def pearl() -> Recipe:
    """Chen et al. 2024 and their code: NT-Xent of phrases and views, types of both, half the way from the start."""
    train = TrainConfig(
        epochs=2, batch_size=85, learning_rate=1e-5, weight_decay=0.0, schedule="constant", warmup=0.0, clip=0.0
    )
    stage = Stage(
        loss,
        train,
        head=with_types,
        procedure=several,
        view=seen(),
        views=2 * (1 + HARD),
        prepare=(with_hard_negatives,),
        interpolate=0.5,
    )
    takes = Takes("text", "text", ("tuples", "pairs"), ("label",))
    return Recipe("PEARL", (stage,), takes, adapt=plain)

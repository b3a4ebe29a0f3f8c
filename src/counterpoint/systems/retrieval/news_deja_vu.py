"""News Deja Vu: names are masked, and what tells the same story under other names is near."""

from __future__ import annotations

from torch import nn

from counterpoint.encoders.adapting import mean_of_tokens
from counterpoint.encoders.masking import without_names
from counterpoint.methods import Recipe, Stage, Takes
from counterpoint.negatives.stories import story_pairs
from counterpoint.objectives import MinedTogether, Objective, Pairs, among_the_other_side
from counterpoint.relation import Relation, own_mined
from counterpoint.systems.registry import Claim, Signal, system
from counterpoint.systems.sentences.malaysian import squared
from counterpoint.testbeds import Richer, Trained, Untrained
from counterpoint.testbeds.kinds import ALL_KINDS, KINDS, OF_A_KIND, shared_names
from counterpoint.testbeds.sorted_texts import SECTIONS
from counterpoint.training import TrainConfig

MARGIN = 0.5
"""A distance, 1 less the cosine."""


def online() -> Objective:
    """The contrastive loss of a batch's hard pairs: of the same story further than some other, and the other way."""
    pairs = Pairs(1.0, 1 - MARGIN, shape=squared, over="terms", relation=Relation(negative=own_mined))
    return MinedTogether(pairs, among_the_other_side)


def nameless(encoder: nn.Module) -> nn.Module:
    """The mean of the states of what is left where names are masked."""
    return without_names(mean_of_tokens(encoder))


def with_names() -> Recipe:
    """The same training of texts as they are."""
    return news_deja_vu().varied("with names", adapt=mean_of_tokens)


def news_deja_vu() -> Recipe:
    """Franklin et al. 2024 and the model card of their encoder: masks, pairs of stories, an online contrastive loss."""
    train = TrainConfig(epochs=9, batch_size=16, learning_rate=2e-5, clip=1.0, schedule="linear", warmup=0.1)
    stage = Stage(online, train, prepare=(story_pairs(),))
    return Recipe("News Deja Vu", (stage,), Takes("text", schemas=("labelled",)), adapt=nameless)


_CEILING = Richer(Trained(with_names), ALL_KINDS)


system(
    "News Deja Vu",
    title="News Deja Vu: Connecting Past and Present with Semantic Search",
    year=2024,
    family="retrieval",
    mechanism="tests/systems/test_news_deja_vu.py::test_loss_is_that_of_a_naive_loop_over_hard_pairs_of_masked_texts",
    claims=(
        Claim(
            "Where names are masked what is nearest is more often of the same kind",
            OF_A_KIND,
            "texts with their names, same training",
            KINDS,
            Trained(with_names),
            ceiling=_CEILING,
        ),
        Claim(
            "The contrast of stories improves an encoder that reads no names",
            OF_A_KIND,
            "the start, names masked",
            KINDS,
            Untrained(news_deja_vu),
            ceiling=_CEILING,
            floors=(),
        ),
    ),
    signal=Signal(shared_names, off=Trained(with_names)),
    sample=SECTIONS,
    setup="The paper tells of a tool and has no figure to reproduce; what it says masks are for is the main claim. "
    "Glosses of WordNet's instances stand in for articles, what they are instances of for stories, and what that is a "
    "kind of for AllSides's topics, whose texts are no negatives of each other; kinds of the test are others than "
    "those of training. A rule, runs of capitalised words, stands in for a RoBERTa that finds names in newspapers "
    "(`MaskedEntityEncoder` takes any classifier of tokens), and all names have one mask, as in their code by default. "
    "Pairs and the loss are those of the model card of their encoder, `same-story`; its margin and rate are not said: "
    "these are sentence-transformers' own. The loss is the mean over hard pairs, where theirs sums. Each text of "
    "training has one of its story and the nearest of another, drawn once. SmolLM2's embeddings, which stay, and first "
    "layer stand in for their encoder; it has no mask token, and reads the word. The ceiling has the test's glosses "
    "among those of training.",
)(news_deja_vu)

"""MAE-LM: masked tokens are left out of what the encoder reads, and a shallow decoder guesses them."""

from __future__ import annotations

from torch import nn

from counterpoint.data.items import Data
from counterpoint.methods import Recipe, Stage, Takes
from counterpoint.pretraining import MaskedAutoencoder, MaskedLM, transformer
from counterpoint.systems.registry import Claim, Signal, system
from counterpoint.systems.sentences.distilcse import CEILING
from counterpoint.testbeds import Trained
from counterpoint.testbeds.scratch import SCRATCH, WIDTH, token_rank
from counterpoint.testbeds.texts import LIKENESS
from counterpoint.testbeds.transfer import transfer
from counterpoint.training import TrainConfig


def texts_of(data: Data) -> list[str]:
    """The anchors of all rows."""
    return list(data.anchors[data.anchor].texts)


def unseen(data: Data, encoder: nn.Module) -> MaskedAutoencoder:
    """Theirs: 15% of the tokens, which four layers guess."""
    return MaskedAutoencoder(transformer(encoder), texts_of(data))


def seen(data: Data, encoder: nn.Module) -> MaskedAutoencoder:
    """The encoder sees mask tokens, and all else is the same."""
    return MaskedAutoencoder(transformer(encoder), texts_of(data), unseen=False)


def masked(data: Data, encoder: nn.Module) -> MaskedLM:
    """Mask tokens in the encoder, whose own states are asked."""
    return MaskedLM(transformer(encoder), texts_of(data), bias=True, always=True)


def with_masks() -> Recipe:
    """The same encoder and decoder, with mask tokens in the encoder."""
    return mae_lm().varied("MAE-LM, masks in the encoder", task=seen)


def mlm() -> Recipe:
    """A masked language model."""
    return mae_lm().varied("masked LM", task=masked, objective=MaskedLM.objective)


@system(
    "MAE-LM",
    title="Representation Deficiency in Masked Language Modeling",
    year=2023,
    family="sentences",
    mechanism="tests/systems/test_mae_lm.py::test_loss_is_that_of_a_naive_loop_over_texts_without_their_masked_tokens",
    claims=(
        Claim(
            "Texts whose masked tokens the encoder never sees make better features than a masked language model",
            transfer,
            "a masked language model",
            SCRATCH,
            Trained(mlm),
            off=Trained(with_masks),
            ceiling=CEILING,
        ),
        Claim(
            "Real tokens fill more of the encoder's dimensions",
            token_rank,
            "a masked language model",
            SCRATCH,
            Trained(mlm),
            off=Trained(with_masks),
            ceiling=float(WIDTH),
            floors=(),
        ),
        Claim(
            "It is the mask tokens in the encoder that take them, and not the decoder",
            token_rank,
            "the same decoder after an encoder that sees mask tokens",
            SCRATCH,
            Trained(with_masks),
            ceiling=float(WIDTH),
            floors=(),
        ),
    ),
    signal=Signal(token_rank, off=Trained(with_masks)),
    sample=LIKENESS,
    setup="The authors' code was read, and of the paper its abstract and reviews. Two layers of 64 with random weights "
    "stand in for twelve of 768, and 500 steps on 28,000 short sentences for up to two million of their script; "
    "batches are of 64 here and of 256 in the recipe, for their 2,048, and the rate rises for a tenth of the steps. "
    "The decoder has their four layers, here twice as many as the encoder. Relative places, which their attention "
    "knows beside position vectors, are left out. Biases of tokens begin as the logarithm of how frequent each is, "
    "theirs at 0; each token is chosen with a probability of 15%, where they choose so many. All chosen tokens are "
    "masked in the baseline, too, as in theirs. Probes of frozen mean vectors on MR, SUBJ and TREC stand in for "
    "fine-tuning on GLUE and SQuAD. The effective rank is that of Roy and Vetterli, an entropy of singular values, of "
    "the last states; how the paper counts could not be read. Nothing is said of ranks layer by layer, nor of the "
    "theorem.",
)
def mae_lm() -> Recipe:
    """Meng et al. 2024 and their code, of the base size."""
    train = TrainConfig(
        epochs=1, batch_size=256, learning_rate=2e-4, weight_decay=0.01, betas=(0.9, 0.98), schedule="linear", clip=2.0
    )
    return Recipe("MAE-LM", (Stage(MaskedAutoencoder.objective, train, task=unseen),), Takes("text"))

"""CPADE: from a text's vector alone a decoder must say the same of all words for two maskings of it."""

from __future__ import annotations

from dataclasses import replace

from torch import nn

from counterpoint.data.items import Data
from counterpoint.methods import Recipe, Stage, Takes
from counterpoint.objectives import InfoNCE
from counterpoint.pretraining import MaskedAndContrasted, MaskedLM, WordDistributions, transformer
from counterpoint.systems.registry import Claim, Signal, system
from counterpoint.systems.sentences._captions import ANOTHER
from counterpoint.systems.sentences.mae_lm import texts_of
from counterpoint.testbeds import Richer, Testbed, Trained
from counterpoint.testbeds.denoised import CAPTIONED_BY_BERT, PAIRED_BY_BERT
from counterpoint.testbeds.scratch import LIKE_SCRATCH
from counterpoint.testbeds.texts import FEW_LAYERS, alignment_of_like
from counterpoint.training import TrainConfig


def by_words(data: Data, encoder: nn.Module) -> WordDistributions:
    """Guesses, and a contrast of word distributions."""
    return WordDistributions(transformer(encoder), texts_of(data))


def by_states(data: Data, encoder: nn.Module) -> MaskedAndContrasted:
    """Guesses, and a contrast of vectors."""
    return MaskedAndContrasted(transformer(encoder), texts_of(data))


def guesses_alone(data: Data, encoder: nn.Module) -> MaskedLM:
    """A masked language model."""
    return MaskedLM(transformer(encoder), texts_of(data), bias=True)


def dense() -> Recipe:
    """What the authors, too, compare with: the vectors themselves are contrasted (cosine, temperature 0.05)."""
    return cpade().varied("CPADE, dense", task=by_states, objective=MaskedAndContrasted.objective)


def mlm() -> Recipe:
    """No contrast."""
    return cpade().varied("masked LM", task=guesses_alone, objective=MaskedLM.objective)


def told() -> Recipe:
    """What may know: captions of one picture find each other."""
    stage = Stage(lambda: InfoNCE(0.05), cpade().stages[0].train)
    return Recipe("captions of one picture", (stage,), Takes("text", "text"))


def slower(bed: Testbed) -> Testbed:
    """At the rate of other few layers, with which the small BERT tells the maskings of a text from others."""
    about, settings = bed.about.replace("2e-3", "5e-4"), {**bed.settings, **FEW_LAYERS}
    return replace(bed, name=f"{bed.name}, slower", about=about, settings=settings)


MASKED_CAPTIONS, CEILING = slower(CAPTIONED_BY_BERT), Richer(Trained(told), slower(PAIRED_BY_BERT))


@system(
    "CPADE",
    title="A Contrastive Pre-training Approach to Learn Discriminative Autoencoder for Dense Retrieval",
    year=2022,
    family="sentences",
    mechanism="tests/systems/test_cpade.py::test_loss_is_that_of_a_naive_loop_over_divergences_and_masked_tokens",
    claims=(
        Claim(
            "Contrasted word distributions find more than contrasted vectors",
            ANOTHER,
            "the states contrasted, the same guesses",
            MASKED_CAPTIONS,
            Trained(dense),
            off=Trained(mlm),
            ceiling=CEILING,
        ),
        Claim(
            "And more than guesses of masked tokens alone",
            ANOTHER,
            "a masked language model",
            MASKED_CAPTIONS,
            Trained(mlm),
            ceiling=CEILING,
            floors=("raw",),
        ),
    ),
    signal=Signal(alignment_of_like, off=Trained(mlm), bed=LIKE_SCRATCH),
    sample=LIKE_SCRATCH,
    setup="The paper's text was not to be had, only its abstract and a digest of it by others (ArXivQA), and there is "
    "no code. These tell of a perceptron for a decoder, not autoregressive, of contrasted word distributions of two "
    "maskings, of Wikipedia and BERT, and of the same with contrasted dense vectors, which is the baseline here; the "
    "digest calls the method CPDAE. Our reading is: the Kullback-Leibler divergence of the query from the key, at "
    "temperature 1; all other maskings of the batch as negatives; the input embeddings and the guesses' biases as the "
    "decoder's last layer, so that words are words; masked LM beside it with weight 1, 15% of the tokens in each "
    "masking; the cosine and temperature 0.05 of the baseline. What is pooled is the encoder's own affair: theirs is "
    "the first token's state, here it is the mean of all. Captions of pictures stand in for MS MARCO: is the nearest "
    "of all captions one of the same picture? Theirs is fine-tuned before it is measured, here nothing is. The start "
    "has two layers of 64 and has guessed masked tokens of these captions for 300 steps, for BERT-base; 200 steps of "
    "64 captions at a rate of 5e-4 stand in for Wikipedia. So small a model finds far less than TF-IDF, contrast or "
    "not: a trained BERT is needed to tell. That common words lose mass is not measured. The ceiling is told which "
    "captions are of one picture, of those to train on.",
)
def cpade() -> Recipe:
    """Ma et al. 2022, as others tell it: masked LM, and NT-Xent of word distributions of two maskings."""
    train = TrainConfig(epochs=1, batch_size=64, learning_rate=5e-5, weight_decay=0.01, schedule="linear")
    stage = Stage(WordDistributions.objective, train, task=by_words)
    return Recipe("CPADE", (stage,), Takes("text"))

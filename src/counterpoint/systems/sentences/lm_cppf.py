"""LM-CPPF: LM-SupCon, and the second view of a text is the prompt of what a language model says in its place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache

import torch

from counterpoint.generating import Generator, Rules, in_other_words
from counterpoint.methods import Recipe
from counterpoint.systems.registry import Claim, Signal, system
from counterpoint.systems.sentences import lm_supcon as supcon
from counterpoint.systems.sentences.lm_supcon import FIRST, lm_supcon, prompt_tuned
from counterpoint.testbeds import Richer, Trained
from counterpoint.testbeds.augmented import easy
from counterpoint.testbeds.classifiers import accuracy
from counterpoint.testbeds.few_shot import PROMPTED_QUESTIONS, PROMPTED_SECTIONS, SIXTEEN_QUESTIONS, its_words
from counterpoint.testbeds.otherwise import said_otherwise
from counterpoint.testbeds.tuning import class_margin
from counterpoint.views import Demonstrated, one_of

FEW_SHOT = "{instruction}\n\n{shown}\nOriginal: {text}\nParaphrase:"
INSTRUCTION = "Rewrite each text so that it means the same."
"""Of the prompt for a language model, with paraphrases that are known."""


@cache
def writer() -> Generator:
    """The stand-in for a language model."""
    return Generator(Rules(said_otherwise, name="said otherwise"))


def rephrased(text: str, generator: torch.Generator) -> str:
    """A view of words: what it writes."""
    return in_other_words(writer())(text, generator)


def itself(text: str, _generator: torch.Generator) -> str:
    """A view of words: as it is."""
    return text


REPHRASED, EASY = Demonstrated(rephrased), Demonstrated(easy())
"""In the first template, after other demonstrations: a paraphrase; a text whose words are swapped or left out."""
EITHER = Demonstrated(one_of(itself, rephrased))
"""A text or its paraphrase."""


def without_demonstrations() -> Recipe:
    """The prompts hold the text alone."""
    return lm_cppf().varied("LM-CPPF without demonstrations", prepare=())


def altered() -> Recipe:
    """Easy data augmentation in place of paraphrases."""
    return without_demonstrations().varied("LM-SupCon, easy data augmentation", view=(FIRST, EASY))


def more_data() -> Recipe:
    """Paraphrases are further texts of their class, and nothing is contrasted."""
    return prompt_tuned().varied("prompt-tuning, paraphrases", view=EITHER)


def with_generator(generator: Generator, known: Mapping[str, str], instruction: str = INSTRUCTION) -> Recipe:
    """All of it: a generator writes, after texts with paraphrases that are known."""
    shown = "\n".join(f"Original: {text}\nParaphrase: {other}" for text, other in known.items())
    words = in_other_words(generator, FEW_SHOT, instruction=instruction, shown=shown)
    return lm_cppf().varied("LM-CPPF", view=(FIRST, Demonstrated(words)))


_CEILING = Richer(Trained(prompt_tuned), PROMPTED_QUESTIONS)


@system(
    "LM-CPPF",
    title="LM-CPPF: Paraphrasing-Guided Data Augmentation for Contrastive Prompt-Based Few-Shot Fine-Tuning",
    year=2023,
    family="sentences",
    mechanism="tests/systems/test_lm_cppf.py::test_losses_of_both_turns_are_those_of_a_naive_loop",
    variants={"LM-CPPF without demonstrations": without_demonstrations},
    claims=(
        Claim(
            "A paraphrase is a better view than another template",
            accuracy(its_words),
            "LM-SupCon",
            SIXTEEN_QUESTIONS,
            Trained(supcon.without_demonstrations),
            system=Trained(without_demonstrations),
            off=Trained(supcon.another_dropout),
            ceiling=_CEILING,
        ),
        Claim(
            "It is a better view than easy data augmentation",
            accuracy(its_words),
            "contrast with words swapped or left out",
            SIXTEEN_QUESTIONS,
            Trained(altered),
            system=Trained(without_demonstrations),
            ceiling=_CEILING,
        ),
        Claim(
            "Contrast with paraphrases makes a prompted classifier more accurate",
            accuracy(its_words),
            "prompt-tuning",
            SIXTEEN_QUESTIONS,
            Trained(prompt_tuned),
            system=Trained(without_demonstrations),
            ceiling=_CEILING,
        ),
        Claim(
            "It is the contrast that does it, not more texts",
            accuracy(its_words),
            "prompt-tuning, paraphrases among its texts",
            SIXTEEN_QUESTIONS,
            Trained(more_data),
            system=Trained(without_demonstrations),
            ceiling=_CEILING,
        ),
    ),
    signal=Signal(class_margin, off=Trained(supcon.another_dropout), system=Trained(without_demonstrations)),
    sample=PROMPTED_SECTIONS,
    setup="The set-up is that of LM-SupCon: one layer of SmolLM2 in place of RoBERTa, causal, measured without "
    "demonstrations. Rules stand in for GPT-3 and OPT-175B: they put another question word and an opening, and know "
    "of no other words; so how much a larger language model helps, and the forms of its prompts, are not measured. "
    "`with_generator` has a language model of one's own write, after paraphrases that one gives; theirs were 15 of the "
    "text's class, by QuillBot. A text has one paraphrase, as theirs. The released code cannot read paraphrases, and "
    "trains LM-SupCon: that the second prompt has the first one's template, and demonstrations of its own that are not "
    "paraphrased, is what we make of the paper. Easy data augmentation is that without a thesaurus; back-translation "
    "is not measured. That paraphrases are more labelled texts is not a comparison of the paper's. All arms take as "
    "many steps, half of which are SupCon's where there is contrast. The ceiling is prompt-tuning on all training "
    "questions.",
)
def lm_cppf() -> Recipe:
    """Abaskohi et al. 2023: LM-SupCon over prompts of a text and of its paraphrase, 40 a batch."""
    train = replace(lm_supcon().stages[0].train, batch_size=40)
    return lm_supcon().varied("LM-CPPF", view=(FIRST, REPHRASED), train=train)

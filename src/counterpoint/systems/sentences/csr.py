"""CSR: frozen vectors become codes of which few dimensions are on, in place of vectors that are cut short."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from jaxtyping import Float

from counterpoint.data.items import Data, Items
from counterpoint.encoders import SparseAutoencoder
from counterpoint.encoders.features import Kind
from counterpoint.geometry import Parts
from counterpoint.methods import Recipe, Stage, Takes
from counterpoint.objectives import InfoNCE, Matryoshka, Objective, SparseReconstruction
from counterpoint.procedures import Procedure, SparseCodes
from counterpoint.systems.registry import Claim, Signal, system
from counterpoint.tasks import Encodes
from counterpoint.testbeds import Arm, Figure, Made, Seen, Testbed, Trained
from counterpoint.testbeds.figures import recall_within, representation
from counterpoint.testbeds.synthetic import Linear
from counterpoint.testbeds.vectors import CAPTION_PAIRS, CAPTION_VECTORS, COMPONENTS, DIGIT_VECTORS, WHOLE
from counterpoint.training import TrainConfig

K, TIMES, SHARE = 8, 4, 16
"""Latents that are on; latents are so many times the width; one in so many may be revived for a point."""
TEMPERATURE, CONTRAST = 0.2, 0.1
DENSE = 2 * K
"""Numbers of 4 bytes that take as many as `K` numbers with their places."""
DIMENSIONS = (8, DENSE, 32, 64, 128, 256)


def autoencoder(data: Data, seed: int) -> SparseAutoencoder:
    """Untrained, for vectors as wide as these."""
    del seed
    width = data.anchors.tensor.shape[1]
    return SparseAutoencoder(width, TIMES * width, k=K)


def codes(latents: int) -> Procedure:
    """Of `K` and `4 K` latents, and of dead ones."""
    return SparseCodes(latents, revived=latents // SHARE)


def contrast() -> Objective:
    """Of a code with itself: the other codes of the batch repel it."""
    return InfoNCE(TEMPERATURE, layout="views", geometry=Parts(0, 0))


def loss() -> Objective:
    """As their code weighs it."""
    return SparseReconstruction() + CONTRAST * contrast()


def csr() -> Recipe:
    """Wen et al. 2025 and their code: a tied autoencoder of the `K` and the `4 K` greatest latents, with contrast."""
    train = TrainConfig(
        epochs=10, batch_size=128, learning_rate=4e-4, weight_decay=0.0, warmup=0.0, schedule="constant", clip=0.0
    )
    stage = Stage(loss, train, procedure=codes, views=1)
    return Recipe("CSR", (stage,), Takes("vector"), autoencoder, own_start=True)


def without_contrast() -> Recipe:
    """Reconstruction alone."""
    return csr().varied("CSR without contrast", objective=SparseReconstruction)


def paired_loss() -> Objective:
    """Of pairs, whose codes attract each other."""
    return SparseReconstruction() + CONTRAST * InfoNCE(TEMPERATURE, geometry=Parts(0, 0))


def paired() -> Recipe:
    """As their code trains for retrieval: both sides are decoded, and one side's codes contrasted with the other's."""
    return csr().varied("CSR, pairs", takes=Takes("vector", "vector"), objective=paired_loss)


def paired_without_contrast() -> Recipe:
    """Reconstruction of both sides alone."""
    return paired().varied("CSR, pairs without contrast", objective=SparseReconstruction)


def linear(data: Data, seed: int) -> Linear:
    """A linear layer that keeps the width."""
    del seed
    width = data.anchors.tensor.shape[1]
    return Linear(width, width, scale=1.0)


def nested() -> Objective:
    """The same contrast of the first dimensions, for several numbers of them."""
    return Matryoshka(InfoNCE(TEMPERATURE), DIMENSIONS)


def mrl() -> Recipe:
    """Matryoshka representation learning (Kusupati et al. 2022) of the same pairs."""
    return paired().varied("MRL", start=linear, objective=nested, procedure=None)


class Short:
    """What an encoder says in so many numbers: its first dimensions, but of sparse codes all."""

    def __init__(self, encoder: Encodes, most: int) -> None:
        self.encoder, self.most = encoder, most

    def encode_items(self, items: Items, *, kind: Kind = None) -> Float[np.ndarray, "n d"]:
        """One row an item."""
        z = self.encoder.encode_items(items, kind=kind)
        return z if isinstance(self.encoder, SparseAutoencoder) else z[:, : self.most]


def recall_of(what: str, most: int) -> Figure:
    """Recall@1 among test items by so many numbers."""
    whole = recall_within()

    def measure(made: Made) -> float:
        return whole.of(replace(made, encoder=Short(made.encoder, most)))

    return Figure(f"{whole.name}, {what}", measure)


SAME_BYTES, SAME_NUMBERS = recall_of("as many bytes", DENSE), recall_of("as many numbers", K)


def _used(made: Made) -> float:
    return float((representation(made, made.test) > 0).any(0).mean())


USED = Figure("share of latents that are on for some test item", _used)
CEILING = Seen(WHOLE, recall_within())
PAIRED: dict[str, Any] = {"system": Trained(paired), "off": Trained(paired_without_contrast)}


def _finds(text: str, figure: Figure, against: str, bed: Testbed, baseline: Arm, **arms: Any) -> Claim:
    return Claim(text, figure, against, bed, baseline, ceiling=CEILING, floors=("raw",), **arms)


system(
    "CSR",
    title="Beyond Matryoshka: Revisiting Sparse Coding for Adaptive Representation",
    year=2025,
    family="sentences",
    mechanism="tests/systems/test_csr.py::test_loss_is_that_of_a_naive_loop_over_codes",
    claims=(
        _finds(
            "Sparse codes find more than vectors trained to be cut short",
            SAME_BYTES,
            "MRL of the same pairs, as many bytes",
            CAPTION_PAIRS,
            Trained(mrl),
            **PAIRED,
        ),
        _finds(
            "And than as many numbers of these, as the paper counts",
            SAME_NUMBERS,
            "MRL of the same pairs, as many numbers",
            CAPTION_PAIRS,
            Trained(mrl),
            **PAIRED,
        ),
        _finds(
            "Without pairs they find more than principal components",
            SAME_BYTES,
            "as many bytes of these",
            CAPTION_VECTORS,
            COMPONENTS,
        ),
        _finds(
            "Contrast improves on reconstruction",
            SAME_BYTES,
            "reconstruction alone",
            CAPTION_VECTORS,
            Trained(without_contrast),
        ),
    ),
    signal=Signal(USED, off=Trained(without_contrast), bed=CAPTION_VECTORS),
    sample=DIGIT_VECTORS,
    setup=f"Frozen vectors of all-MiniLM-L6-v2 (384 numbers, of length one) in place of NV-Embed's (4,096); {K} "
    f"latents are on, and there are {TIMES} times as many as numbers, as theirs. What is compared costs as many bytes: "
    f"{K} numbers and their places, or {DENSE} numbers. In place of MTEB's tasks a caption is to find another of its "
    "picture. MRL is a linear layer on the same vectors under the same contrast of pairs, where the paper's is a whole "
    "model that was trained so. Pairs are captions of one picture, as queries and documents are in the authors' code. "
    "Without pairs a vector's positive is itself, as there, so that contrast only repels. The weights of the terms are "
    "theirs: errors of unit vectors are small beside the contrast. A latent is dead after ten steps of silence, which "
    "are their thirty passes. AdamW for Adam, at the rate of their pictures and for as many epochs. That codes are "
    "found faster is not measured. The floor is the vector's own first numbers, the ceiling the whole vector.",
)(csr)

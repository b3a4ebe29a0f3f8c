"""DA-for-PET: cross-entropy and contrast of classes, texts and altered ones, and which weights learn."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from counterpoint.data.items import Data, Items
from counterpoint.encoders import PrefixEncoder
from counterpoint.encoders.adapting import without_dropout
from counterpoint.systems import get
from counterpoint.systems.sentences import pet_augmentation as pet
from counterpoint.testbeds.augmented import separated
from counterpoint.testbeds.bed import Made
from systems.through import same, step_of
from systems.words import KINDS, small_bert, steady_bert, step_of_texts

SLUG = "da-for-pet-study"
LABEL = torch.arange(12) % 4
TEXTS = Data.alone(
    Items("text", [f"where does the {kind} that is number {i} sleep in the night" for i, kind in enumerate(KINDS)]),
    label=LABEL,
)


def quiet(method, **options):
    """A step on an encoder without dropout, that of the prefix, too."""
    method = get(method).method() if isinstance(method, str) else method
    encoder = without_dropout(method.adapt(steady_bert(TEXTS)))
    return step_of(method, TEXTS, encoder=encoder, n=12, **options)


def losses(step):
    """Cross-entropy of each point, and minus the mean log-likelihood of each other point of its class."""
    z = step.network(step.payload.inputs)
    (call,) = step.calls
    label = torch.cat([call[side].columns["label"] for side in ("queries", "keys")])
    vectors, logits = z[:, :-6], z[:, -6:]
    entropy, contrast = torch.zeros(()), torch.zeros(())
    n = len(z)
    for i in range(n):
        entropy = entropy - logits[i].log_softmax(0)[label[i]] / n
        cosine = [F.cosine_similarity(vectors[i], vectors[j], dim=0) / 0.1 for j in range(n) if j != i]
        likely = torch.stack(cosine).log_softmax(0)
        others = [j for j in range(n) if j != i]
        own = [likely[k] for k, j in enumerate(others) if label[j] == label[i]]
        contrast = contrast - torch.stack(own).mean() / n
    return entropy, contrast


def test_loss_is_cross_entropy_and_contrast_of_a_naive_loop():
    step = quiet(SLUG)
    entropy, contrast = losses(step)
    assert contrast.item() > 0.1
    same(step, entropy + contrast, rtol=1e-3)
    step = quiet(pet.augmented())
    same(step, losses(step)[0], rtol=1e-3)


def test_prefixes_and_the_classifier_learn_and_nothing_else():
    step = quiet(SLUG)
    assert isinstance(step.network[0], PrefixEncoder)
    assert step.network[0].length == 16
    assert step.network[0].encoder.pooling == "cls"
    assert {name for name, g in step.gradient.items() if g.any()} == {"0.prefix", "1.heads.1.weight", "1.heads.1.bias"}
    whole = step_of_texts(pet.fine_tuned(), TEXTS, make=small_bert)
    assert "0.model.embeddings.word_embeddings.weight" in whole.gradient


def test_the_second_view_is_altered_unless_it_is_not_to_be():
    for method, altered in ((SLUG, True), (pet.augmented(), True), (pet.plain(), False)):
        inputs = quiet(method).payload.inputs
        rows = inputs["input_ids"].split(inputs["offsets"].diff().tolist())
        same_rows = [torch.equal(rows[i], rows[12 + i]) for i in range(12)]
        assert all(same_rows) is not altered
        assert any(same_rows) is not altered
    inputs = quiet(pet.contrasted_plain()).payload.inputs["input_ids"]
    assert torch.equal(*inputs.chunk(2))


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")  # peft's
def test_lora_learns_updates_alone():
    pytest.importorskip("peft")
    step = step_of_texts(pet.augmented_lora(), TEXTS, make=steady_bert)
    learned = {name for name in step.gradient if name.startswith("0.")}
    assert learned
    assert all("lora_" in name for name in learned)
    method = pet.lora()
    encoder = method.adapt(steady_bert(TEXTS))
    assert method.adapt(encoder).model is encoder.model


def test_separation_is_that_of_classes():
    class Told:
        def __init__(self, z):
            self.z = z

        def encode_items(self, items, *, kind=None):
            return self.z

    apart, mixed = F.one_hot(LABEL, 4).float().numpy(), torch.eye(12).numpy()
    found = [separated.of(Made("told", Told(z), (TEXTS, TEXTS), 0)) for z in (apart, mixed)]
    assert found == pytest.approx([1.0, 0.0])

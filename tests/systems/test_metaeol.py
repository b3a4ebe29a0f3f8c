"""MetaEOL: the mean over prompts of what a language model says next; nothing is trained."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from counterpoint.data.items import Data, Items
from counterpoint.encoders import TransformerEncoder, load
from counterpoint.errors import InputError
from counterpoint.fitting import fit
from counterpoint.systems import get, run
from counterpoint.systems.sentences import metaeol
from counterpoint.testbeds import Untrained
from systems.words import ALONE, small_bert

TEXTS = [e.anchor for e in ALONE]
PROMPTS = [prompt for prompts in metaeol.TASKS.values() for prompt in prompts]


@pytest.fixture(scope="module")
def causal():
    """A small causal model whose tokenizer has no mask, and knows the prompts' words."""
    from transformers import LlamaConfig, LlamaModel

    tokenizer = small_bert(Data.alone(Items("text", [*TEXTS, *PROMPTS])), dropout=0.0).tokenizer
    tokenizer.mask_token, tokenizer.model_max_length = None, 256
    size = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 3, "num_attention_heads": 2}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = LlamaModel(LlamaConfig(vocab_size=len(tokenizer), initializer_range=0.3, **size))
    return TransformerEncoder(model, tokenizer, normalize=False, max_seq_length=256).eval()


def said(encoder, text, prompt, layer=-1):
    """The state of the last token of a prompt around a text, which [SEP] follows, by the Hugging Face model."""
    ids = encoder.tokenizer([prompt.format(text)], return_tensors="pt")["input_ids"]
    with torch.no_grad():
        return encoder.model(input_ids=ids, output_hidden_states=True).hidden_states[layer][0, -2]


def vectors(method, causal):
    return torch.from_numpy(method.settle(causal).encode(TEXTS, dtype="float32"))


def test_a_vector_is_the_mean_of_what_a_model_says_next_over_all_prompts(causal):
    found = vectors(get("metaeol").method(), causal)
    assert len(PROMPTS) == 8
    assert len(metaeol.TASKS) == 4
    assert all(prompt.endswith('in one word:"') for prompt in PROMPTS)
    wanted = torch.stack([sum(said(causal, text, prompt) for prompt in PROMPTS) / 8 for text in TEXTS])
    torch.testing.assert_close(found, wanted, rtol=1e-3, atol=1e-4)


def test_the_arms_have_one_prompt_one_task_or_another_layer(causal, monkeypatch):
    monkeypatch.setattr(metaeol, "EARLIER", 2)
    one = 'This sentence : "{}" means in one word:"'
    cases = (
        (metaeol.one_prompt, [one], -1),
        (metaeol.one_task, metaeol.TASKS["paraphrase"], -1),
        (metaeol.earlier_layer, PROMPTS, 2),
    )
    seen = [vectors(get("metaeol").method(), causal)]
    for make, prompts, layer in cases:
        seen.append(vectors(make(), causal))
        wanted = torch.stack([sum(said(causal, t, prompt, layer) for prompt in prompts) / len(prompts) for t in TEXTS])
        torch.testing.assert_close(seen[-1], wanted, rtol=1e-3, atol=1e-4)
    assert len({float(z.sum()) for z in seen}) == 4
    assert len({Untrained(make).key for make in (get("metaeol").method, *(case[0] for case in cases))}) == 4


def test_the_signal_is_how_far_the_prompts_are_apart(causal):
    test = Data.alone(Items("text", TEXTS))
    z = torch.stack([torch.stack([said(causal, text, prompt) for prompt in PROMPTS]) for text in TEXTS])
    unit = z / z.norm(dim=2, keepdim=True)
    wanted = sum(float((one - unit[i].mean(0)).norm() ** 2) / 8 for i in range(len(unit)) for one in unit[i])
    made = SimpleNamespace(encoder=get("metaeol").method().settle(causal), test=test)
    assert metaeol.apart.of(made) == pytest.approx(wanted / len(TEXTS), rel=1e-3)
    assert wanted / len(TEXTS) > 1e-3
    made = SimpleNamespace(encoder=metaeol.one_prompt().settle(causal), test=test)
    assert metaeol.apart.of(made) == pytest.approx(0, abs=1e-6)


def test_a_run_trains_nothing_measures_once_and_leaves_a_model(tmp_path):
    said = []
    figures = run(get("metaeol"), tmp_path, say=said.append)
    assert list(figures) == ["untrained: recall@1 among test items"]
    assert load(tmp_path / "model").templates == metaeol.templates(*metaeol.TASKS)


def test_there_is_nothing_to_fit(tmp_path):
    file = tmp_path / "texts.txt"
    file.write_text("\n".join(f"text number {i}" for i in range(40)) + "\n")
    with pytest.raises(InputError, match="MetaEOL trains nothing"):
        fit(str(file), tmp_path / "fit", method=get("metaeol").method(), say=lambda _: None)

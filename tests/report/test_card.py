import dataclasses

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from counterpoint.report import Content, Data, Figure, Model, System, model_card
from report.sample import sample


def front_matter(card):
    _, head, body = card.split("---\n", 2)
    return yaml.safe_load(head), body


def test_the_front_matter_is_that_of_sentence_transformers():
    content = sample()
    model = dataclasses.replace(content.model, objective="InfoNCE", base="minilm")
    head, body = front_matter(model_card(dataclasses.replace(content, model=model)))
    assert {"sentence-transformers", "loss:InfoNCE", "dataset_size:35102", "generated_from_trainer"} <= set(
        head["tags"]
    )
    assert head["pipeline_tag"] == "sentence-similarity"
    assert head["library_name"] == "sentence-transformers"
    assert head["base_model"] == "minilm"
    assert head["license"] == "apache-2.0"
    assert "MRR@10: clearly better than untrained and BM25." in body
    assert "| trained | 0.606 (0.585 to 0.627) |" in body
    assert 'prompt_name="query"' in body


def test_the_hub_reads_the_figures():
    hub = pytest.importorskip("huggingface_hub")
    data = hub.ModelCard(model_card(sample())).data
    assert {(r.metric_name, r.metric_value) for r in data.eval_results} >= {("MRR@10", 0.606), ("Recall@10", 0.779)}


def test_a_minimal_card():
    head, body = front_matter(model_card(Content("t", "m", Model("a"), Data("x.tsv"), ())))
    assert "model-index" not in head
    assert "None were measured." in body
    assert "prompt_name" not in body


@settings(max_examples=40, deadline=None)
@given(st.text(max_size=60).map(lambda text: text + "<img onerror=x> | `code` \n---\n# [a](b): *x*\x85"))
def test_texts_make_neither_yaml_nor_markdown(text):
    systems = (System(text, {"m|n": Figure(0.5, 0.4, 0.6)}), System("other", {"m|n": Figure(0.4)}))
    content = Content(text, "m|n", Model(text, objective=text, base=text), Data(text), systems, summary=(text,))
    card = model_card(content)
    head, body = front_matter(card)
    assert set(head) == {"tags", "base_model", "pipeline_tag", "library_name", "model-index"}
    assert head["tags"][4].startswith("loss:")
    assert "<img" not in body
    headings = [line for line in body.split("\n") if line.startswith("#")]
    assert headings[1:] == ["## Use it", "## Figures", "## How it was trained", "## Limits"]
    rows = [line.replace("\\\\", "").replace("\\|", "") for line in body.split("\n") if line.startswith("|")]
    assert {row.count("|") for row in rows} == {3}


@pytest.mark.parametrize("systems", [(), sample().systems])
def test_notes_stand_with_the_figures(systems):
    content = dataclasses.replace(sample(), systems=systems, notes=("12 queries were [left] out",))
    _, body = front_matter(model_card(content))
    figures = body.split("## Figures")[1].split("## How")[0]
    assert "- 12 queries were \\[left\\] out" in figures
    assert "Tokens it reads of a text: 256" in model_card(
        dataclasses.replace(content, model=dataclasses.replace(content.model, max_length=256))
    )

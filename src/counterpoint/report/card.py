"""The model card: the README.md of a model folder, with the front matter that Sentence Transformers' models have."""

from __future__ import annotations

import json
from typing import Any

from counterpoint.report.content import Content
from counterpoint.report.plots import metrics
from counterpoint.report.wording import all_of, clip, decimals, interval, judge, lower, number, sure, verdict


def model_card(content: Content) -> str:
    """The card as Markdown: front matter, verdict, how to use, figures, training, limits.

    The front matter has `tags` (`sentence-transformers`, `loss:...`, `dataset_size:...`, `generated_from_trainer`),
    `pipeline_tag` and `library_name`, as Sentence Transformers writes them, and `model-index` with the figures.
    Texts of the content are quoted, so they can make neither YAML nor Markdown of their own.

    Examples:
        >>> from counterpoint.report.content import Data, Model
        >>> print(model_card(Content("tiny", "MRR@10", Model("trained"), Data("a.tsv"), ()))[:35])
        ---
        tags:
        - "sentence-transformers"
    """
    sections = (_usage, _figures, _training, _limits)
    _, sentence = verdict(content)
    head = [
        _front_matter(content),
        f"# {_text(content.title)}",
        _text(f"{content.metric}: {sentence[0].lower()}{sentence[1:]}"),
    ]
    return "\n\n".join([*head, *(_text(line) for line in content.summary), *(s(content) for s in sections)]) + "\n"


def _front_matter(content: Content) -> str:
    model, data = content.model, content.data
    tags = ["sentence-transformers", "sentence-similarity", "feature-extraction", "counterpoint"]
    tags += [f"dataset_size:{data.splits['train']}"] if "train" in data.splits else []
    tags += [f"loss:{model.objective}"] if model.objective else []
    lines = ["---", "tags:", *(f"- {_yaml(tag)}" for tag in [*tags, "generated_from_trainer"])]
    lines += ["datasets:", f"- {_yaml(data.source[3:])}"] if data.source.startswith("hf:") else []
    lines += [f"base_model: {_yaml(model.base)}"] if model.base else []
    lines += [f"license: {_yaml(model.license)}"] if model.license else []
    lines += ["pipeline_tag: sentence-similarity", "library_name: sentence-transformers"]
    own = next((s.figures for s in content.systems if s.name == model.name), {})
    results = [{"type": _key(name), "value": f.value, "name": name} for name, f in own.items() if f.value is not None]
    if results:
        task = {"type": "sentence-similarity", "name": "Sentence Similarity"}
        about = {"task": task, "dataset": {"name": content.title, "type": _key(content.title)}, "metrics": results}
        lines.append(f"model-index: {_yaml([{'name': content.title, 'results': [about]}])}")
    return "\n".join([*lines, "---"])


def _usage(content: Content) -> str:
    queries = ', prompt_name="query"' if "query" in content.model.prompts else ""
    documents = ', prompt_name="document"' if "document" in content.model.prompts else ""
    queried = ', kind="query"' if queries else ""
    described = ', kind="document"' if documents else ""
    return f"""## Use it

With Sentence Transformers 2.7 or later:

```python
from sentence_transformers import SentenceTransformer

model = SentenceTransformer("path/to/this/folder")
queries = model.encode(["a question"], normalize_embeddings=True{queries})
documents = model.encode(["an answer", "another text"], normalize_embeddings=True{documents})
scores = queries @ documents.T
```

With Counterpoint:

```python
from counterpoint.encoders import load

model = load("path/to/this/folder")
queries = model.encode(["a question"]{queried})
documents = model.encode(["an answer", "another text"]{described})
```"""


def _figures(content: Content) -> str:
    names = metrics(content)
    notes = [f"- {_text(note)}" for note in content.notes]
    if not names:
        return "\n".join(["## Figures", "", "None were measured.", *(notes and ["", *notes])])
    lines = [_row(["", *names]), _row(["---"] + ["---:"] * len(names))]
    for system in content.systems:
        cells = []
        for figure in (system.figures.get(name) for name in names):
            width = f" ({interval(figure)})" if figure is not None and interval(figure) else ""
            cells.append("" if figure is None else number(figure.value, decimals(figure)) + width)
        lines.append(_row([system.name, *cells]))
    if content.differences:
        lines += ["", _row(["Paired difference", "metric", "value", "95% interval", ""]), _row(["---"] * 5)]
        lines += [
            _row([f"{d.a} − {d.b}", d.metric, number(d.value, decimals(d), sign=True), interval(d), judge(d)])
            for d in content.differences
        ]
    if notes:
        lines += ["", *notes]
    less = lower(content)
    better = "Higher is better" + (f", but lower of {_text(all_of(less))}" if less else "")
    return "\n".join(["## Figures", "", f"{better}; in brackets the 95% interval.", "", *lines])


def _training(content: Content) -> str:
    model, data = content.model, content.data
    facts: dict[str, Any] = {"Data": data.source, "Schema": data.schema}
    facts |= {f"Rows, {name}": f"{rows:,}" for name, rows in data.splits.items()}
    facts |= {"Kind": model.kind, "Base": model.base, "Objective": model.objective, "Dimensions": model.dim}
    facts |= {"Tokens it reads of a text": model.max_length}
    facts |= content.settings | content.environment
    shown = [f"- {_text(name)}: {_text(value)}" for name, value in facts.items() if value not in ("", None)]
    return "\n".join(["## How it was trained", "", *shown])


def _limits(content: Content) -> str:
    lines = [*sure(content), *content.warnings]
    lines.append("It was measured on held-out rows of the data above and nowhere else: measure it on yours.")
    return "\n".join(["## Limits", "", *(f"- {_text(line)}" for line in lines)])


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(_text(cell) for cell in cells)} |"


def _text(value: Any) -> str:
    """Text of the content as Markdown that shows it as it is, on one line."""
    line = clip(str(value), 400).replace("\\", "\\\\").replace("&", "&amp;").replace("<", "&lt;")
    return "".join(f"\\{c}" if c in "`*_[]|#" else c for c in line)


def _yaml(value: Any) -> str:
    """`value` as JSON, which is YAML too; what YAML would not read in a quoted string becomes a space."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    return "".join(c if c.isprintable() else " " for c in text)


def _key(name: str) -> str:
    """A name as the hub writes it: lower case, words joined by underscores."""
    return "_".join("".join(c if c.isalnum() else " " for c in name.lower()).split())

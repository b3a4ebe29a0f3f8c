"""What commands do with models of other items than texts: pictures, two modalities, knowledge graphs."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float

from counterpoint.data.decoding import Encoded, decode, is_picture
from counterpoint.data.items import Data, Items
from counterpoint.data.loaded import Loaded
from counterpoint.data.row_splits import split_data
from counterpoint.data.sources import load_source
from counterpoint.data.types import Documents, Rejects
from counterpoint.encoders.image import PixelEncoder
from counterpoint.encoders.knowledge import KnowledgeGraph
from counterpoint.encoders.towers import Towers
from counterpoint.errors import InputError
from counterpoint.fitting.parts import distinct, kind_of_source
from counterpoint.tasks import Measured, Task, task_for

_HOLDS: dict[str, set[str]] = {
    "texts": {"text"},
    "pictures": {"image"},
    "pictures with texts": {"image", "text"},
    "triples": {"query", "entity"},
}


def takes(encoder: Any) -> list[str]:
    """The modalities of a model's items, one or two.

    Examples:
        >>> from counterpoint.encoders import ImageEncoder
        >>> takes(ImageEncoder(widths=(8,)))
        ['image']
    """
    sides = (encoder.query, encoder.document) if isinstance(encoder, Towers) else (encoder,)
    return list(dict.fromkeys(str(side.modality) for side in sides))


def shape_of(encoder: Any) -> tuple[int, int, int] | None:
    """Channels, height and width of the pictures that a model was trained on, if it is known."""
    return next((part.shape for part in encoder.modules() if isinstance(part, PixelEncoder) and part.shape), None)


def load_for(encoder: Any, source: str, **reading: Any) -> Loaded:
    """`load_source`, with pictures of the size and the channels that the model was trained on.

    Raises:
        InputError: The source holds nothing that the model takes, or pictures of another size.
    """
    shape = shape_of(encoder)
    path, kind = Path(source), kind_of_source(source, reading.get("columns"))
    if not _HOLDS[kind] & set(takes(encoder)):
        raise InputError(
            f"the model takes {' and '.join(takes(encoder))}, and these are {kind}",
            file=source,
            fix="give such data, or another model",
        )
    if shape is not None and path.exists() and path.suffix.lower() != ".npz":
        reading = {**reading, "size": shape[1]}
    loaded = load_source(source, **reading)
    if shape is None or loaded.data.anchors.modality != "image":
        return loaded
    dev, test = (None if part is None else _fitted(part, shape, source) for part in (loaded.dev, loaded.test))
    return replace(loaded, data=_fitted(loaded.data, shape, source), dev=dev, test=test)


def asked(encoder: Any, query: str) -> Items:
    """What a query is to a model: a picture's file where it takes pictures, else words.

    Raises:
        InputError: The model takes pictures alone, and there is no such file, or it is none.
    """
    file = Path(query)
    if "image" in takes(encoder) and (is_picture(file) or "text" not in takes(encoder)):
        if not file.is_file():
            raise InputError("no such picture", file=file, fix="give the file of a picture")
        shape = shape_of(encoder)
        size = None if shape is None else shape[1]
        decoded = decode(lambda: [Encoded(file, query)], query, size=size, reject=Rejects(query))
        data = Data.alone(Items("image", decoded.pixels, [query]))
        return (data if shape is None else _fitted(data, shape, query)).anchors
    if is_picture(file) and file.is_file():
        raise InputError("a picture, and the model takes texts", file=file, fix="ask in words")
    return Items("text", [query])


def evaluated(encoder: Any, loaded: Loaded, train: Loaded | None) -> tuple[Task, Measured]:
    """A model's figures on items other than texts: on the part `test` of the source if it names one, else on all.

    Labelled items are neighbours of, and probes are fitted on, `train`, or the rest of the source, or half of it.

    Raises:
        InputError: A model of another knowledge graph.
    """
    test, rest = loaded.test or loaded.data, loaded.data
    if isinstance(encoder, KnowledgeGraph):
        if rest.others is None or tuple(rest.others.names) != encoder.entities:
            raise InputError(
                "the model has other entities than these triples", file=loaded.source, fix="give what it was trained on"
            )
        known = [] if loaded.dev is None else [loaded.dev]
        task = task_for(rest, test, test, encoder, known)
    elif test.schema == "labelled":
        fitted = rest if train is None else train.data
        if fitted is test:
            fitted, _, test = split_data(test, test=0.5, dev=0)
        task = task_for(fitted, test, test, encoder)
    else:
        task = task_for(test, test, test, encoder)
    return task, task.measure("model", encoder)


def parts_of(loaded: Loaded) -> list[Data]:
    """Train, validation and test, as far as a source names them; of triples, whose parts share their items, the first.

    Examples:
        >>> loaded = load_source("digits")
        >>> [len(part) for part in parts_of(loaded)]
        [1797]
    """
    if loaded.kind == "triples":
        return [loaded.data]
    return [part for part in (loaded.data, loaded.dev, loaded.test) if part is not None]


def documents_of(loaded: Loaded, encoder: Any) -> tuple[Documents, Float[np.ndarray, "n d"]]:
    """What an index holds of all parts of a source: pictures, whose text is their first caption or name; entities."""
    data, columns = loaded.data, dict[str, list[Any]]()
    if data.others is not None and data.anchors.modality == "query":
        items, texts = data.others, list(data.others.names)
    else:
        parts, said, labels, start = parts_of(loaded), dict[int, str](), dict[int, str](), 0
        items = distinct(Items.cat([part.anchors for part in parts]))
        for part in parts:
            rows = (part.anchor + start).tolist()
            start += len(part.anchors)
            if part.others is not None and part.positives is not None:
                for row, own in zip(rows, part.positives[:, 0].tolist(), strict=True):
                    said.setdefault(row, part.others.texts[own])
            if part.classes and "label" in part.columns:
                for row, label in zip(rows, part.columns["label"].tolist(), strict=True):
                    labels.setdefault(row, part.classes[label])
        texts = [said.get(i, items.names[i] if items.names else f"d{i}") for i in range(len(items))]
        if labels:
            columns["label"] = [labels.get(i) for i in range(len(items))]
    ids = list(items.names) or [f"d{i}" for i in range(len(items))]
    roles = {"id": "name"} if items.names else {}
    return (
        Documents(ids, texts, columns, loaded.source, roles=roles),
        encoder.encode_items(items, kind="document"),
    )


def completed(graph: KnowledgeGraph, query: str, k: int) -> list[tuple[str, float]]:
    """The entities that complete `HEAD, RELATION, ?` or `?, RELATION, TAIL`, which are not known to.

    The three are divided by `|`, tabs or commas.

    Raises:
        InputError: The query is not so, or has names that the graph has not.
    """
    for divider in (r"\||\t", ","):
        parts = [part.strip() for part in re.split(divider, query)]
        if len(parts) in (2, 3):
            head, relation, tail = (*parts, "?")[:3]
            return graph.complete(None if head == "?" else head, relation, None if tail == "?" else tail, k=k)
    raise InputError(f"{query!r} is not HEAD | RELATION | ?", fix="write, for example, 'Paris | capital of | ?'")


def _fitted(data: Data, shape: tuple[int, int, int], source: str) -> Data:
    """Pictures with as many channels as the model has."""
    pixels = data.anchors.tensor
    if tuple(pixels.shape[2:]) != shape[1:]:
        raise InputError(
            f"pictures of {pixels.shape[3]} x {pixels.shape[2]} pixels, and the model was trained on "
            f"{shape[2]} x {shape[1]}",
            file=source,
            fix="resize them, or give a folder, which is resized",
        )
    if pixels.shape[1] == shape[0]:
        return data
    if pixels.shape[1] == 1:
        pixels = pixels.expand(-1, shape[0], -1, -1)
    else:
        # as Pillow makes grey of colours (ITU-R 601-2)
        weight = torch.tensor([0.299, 0.587, 0.114])
        pixels = (pixels[:, :3].float() * weight[:, None, None]).sum(1, keepdim=True).to(pixels.dtype)
    return replace(data, anchors=replace(data.anchors, values=pixels))

"""Our models under MTEB, and MTEB's results in our reports (extra `mteb`)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, cast

import numpy as np
from jaxtyping import Float, Shaped

from counterpoint.encoders.features import Kind
from counterpoint.errors import InputError, MissingExtra
from counterpoint.evaluate.encoder import encoded_in_full
from counterpoint.evaluate.frozen import similarity
from counterpoint.report.content import Content, Data, Figure, Model, System
from counterpoint.search.exact import Metric, score_rows

_KNOWN: tuple[Metric, ...] = ("cosine", "dot", "euclidean", "manhattan")


class MtebModel:
    """An encoder of texts as `mteb.evaluate` takes it (MTEB 2, its `EncoderProtocol`).

    Queries and documents are encoded as such (`kind`), so that they have their prompts, and everything else without a
    kind; vectors are compared by the encoder's own similarity.

    Args:
        encoder: Anything with `encode(texts, kind=...)`; its `similarity` says how vectors are compared (else: cosine).
        name: `OWNER/MODEL`, under which MTEB keeps results.
        revision: Which version of it; MTEB takes results of one name and revision to be of the same model.

    Raises:
        InputError: A name that is not `OWNER/MODEL`, or a similarity that MTEB does not know.

    Examples:
        >>> from counterpoint.encoders import StaticEncoder
        >>> model = MtebModel(StaticEncoder.from_corpus(["a small corpus", "of two texts"], dim=8), "us/small")
        >>> batches = [{"text": ["a corpus", "two texts"]}, {"text": ["small"]}]
        >>> z = model.encode(batches)
        >>> z.shape, model.similarity(z, z[:2]).shape, model.similarity_pairwise(z, z).round(5).tolist()
        ((3, 8), (3, 2), [1.0, 1.0, 1.0])
    """

    def __init__(self, encoder: Any, name: str, revision: str = "1") -> None:
        self.encoder, self.name, self.revision = encoder, name, revision
        self.metric: Metric = getattr(encoder, "similarity", "cosine")
        if name.count("/") != 1 or not all(name.split("/")):
            raise InputError(f"{name!r} is not OWNER/MODEL", fix="name the model so")
        if self.metric not in _KNOWN:
            raise InputError(f"MTEB does not know the similarity {self.metric!r}", fix="give another model")

    @property
    def mteb_model_meta(self) -> Any:
        """What MTEB keeps beside the results.

        Raises:
            MissingExtra: MTEB is not installed.
        """
        try:
            from mteb.models import ModelMeta
        except ImportError as error:
            raise MissingExtra("mteb", extra="mteb") from error
        known = {"name": self.name, "revision": self.revision, "modalities": ["text"]}
        dim = getattr(self.encoder, "dim", None)
        return ModelMeta.create_empty({**known, "embed_dim": dim, "similarity_fn_name": str(self.metric)})

    def encode(
        self, inputs: Iterable[Mapping[str, Any]], *, prompt_type: Any = None, **told: Any
    ) -> Float[np.ndarray, "n d"]:
        """Vectors of all texts of the batches.

        Args:
            inputs: Batches, each with its texts as `text`.
            prompt_type: MTEB's word for the kind: query, document or None.
            **told: What else MTEB says of the task; it changes nothing.

        Raises:
            InputError: Batches without texts.
        """
        del told
        texts: list[str] = []
        for batch in inputs:
            if "text" not in batch:
                raise InputError(f"a batch of {', '.join(batch)}, and the model takes texts", fix="choose another task")
            texts += batch["text"]
        kind = None if prompt_type is None else str(getattr(prompt_type, "value", prompt_type))
        return np.asarray(encoded_in_full(self.encoder, texts, kind=cast(Kind, kind)), dtype=np.float32)

    def similarity(self, embeddings1: Any, embeddings2: Any) -> Shaped[np.ndarray, "n m"]:
        """Every row of one with every row of the other."""
        first, second = map(_rows, (embeddings1, embeddings2))
        return np.concatenate([rows.scores_bm for rows in score_rows(first, second, metric=self.metric)])

    def similarity_pairwise(self, embeddings1: Any, embeddings2: Any) -> Shaped[np.ndarray, " n"]:
        """Row i of one with row i of the other."""
        return similarity(_rows(embeddings1), _rows(embeddings2), self.metric)


def mteb_content(results: Mapping[str, Any], *, title: str = "MTEB") -> Content:
    """MTEB's results as a report of ours says them: a row a model, a figure a task, and their mean.

    `counterpoint.report.write_report` and `terminal_table` show it. The figure of a task is its main score, the mean
    over its parts and languages, as MTEB says it. MTEB gives no intervals, so there are none.

    Args:
        results: Name -> what `mteb.evaluate` gave, or its list of task results; the first is what the report is about.
        title: Of the report.

    Raises:
        InputError: No results, or models that were not measured on the same tasks.

    Examples:
        >>> class Task:
        ...     task_name = "STSBenchmark"
        ...     def get_score(self):
        ...         return 0.8203
        >>> content = mteb_content({"ours": [Task()]})
        >>> content.systems[0].figures["STSBenchmark"].value, content.metric
        (0.8203, 'mean of 1 task')
    """
    systems: list[tuple[str, dict[str, Figure]]] = []
    for name, result in results.items():
        tasks = getattr(result, "task_results", result)
        figures = {str(task.task_name): Figure(float(task.get_score())) for task in tasks}
        if not figures or (systems and figures.keys() != systems[0][1].keys()):
            raise InputError(
                f"{name!r} was not measured on the same tasks", fix="give one or more tasks, the same for all"
            )
        systems.append((name, figures))
    if not systems:
        raise InputError("no results", fix="give those of one model or more")
    n = len(systems[0][1])
    metric = f"mean of {n} task{'s' * (n > 1)}"
    rows = tuple(
        System(name, {metric: Figure(float(np.mean([cast(float, f.value) for f in figures.values()]))), **figures})
        for name, figures in systems
    )
    about = Data("MTEB", splits={"tasks": n})
    return Content(title, metric, Model(systems[0][0]), about, rows, unit="tasks")


def _rows(z: Any) -> Float[np.ndarray, "n d"]:
    return np.atleast_2d(np.asarray(z, dtype=np.float32))

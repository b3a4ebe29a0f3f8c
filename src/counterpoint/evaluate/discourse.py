"""DiscoEval: do vectors of single sentences tell where they stand, and what they have to do with each other?"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import nn

from counterpoint.data.discourse_tasks import DiscourseTask
from counterpoint.errors import InputError
from counterpoint.evaluate.bootstrap import SAMPLES, figure
from counterpoint.evaluate.encoder import Encodes, encoded_in_full
from counterpoint.evaluate.figures import Figure, Result
from counterpoint.evaluate.frozen import probe
from counterpoint.evaluate.transfer import with_dev

HIDDEN = 2000
_SEED, _NONE = 1111, 1e9
Features = Mapping[str, tuple[np.ndarray, np.ndarray]]


def first_and_differences(z_nkd: Float[np.ndarray, "n k d"]) -> Float[np.ndarray, "n e"]:
    """Of sentences `x1, x2, ...` side by side: `[x1; x1 - x2; x1 - x3; ...]`.

    Examples:
        >>> first_and_differences(np.array([[[3.0], [1.0], [5.0]]])).tolist()
        [[3.0, 2.0, -2.0]]
    """
    first_n1d = z_nkd[:, :1]
    return np.concatenate([first_n1d, first_n1d - z_nkd[:, 1:]], 1).reshape(len(z_nkd), -1)


def both_orders(
    u_nd: Float[np.ndarray, "n d"], v_nd: Float[np.ndarray, "n d"]
) -> tuple[Float[np.ndarray, "m e"], np.ndarray]:
    """Of two sentences in their order `[u; v; u - v]`, label "1", and then of all in the other order, label "0".

    Examples:
        >>> features, labels = both_orders(np.array([[3.0]]), np.array([[1.0]]))
        >>> features.tolist(), labels.tolist()
        ([[3.0, 1.0, 2.0], [1.0, 3.0, -2.0]], ['1', '0'])
    """
    orders = [np.concatenate([a, b, a - b], 1) for a, b in ((u_nd, v_nd), (v_nd, u_nd))]
    return np.concatenate(orders), np.repeat(["1", "0"], len(u_nd))


def with_hidden_layer(
    train_nd: Float[np.ndarray, "n d"],
    labels_n: Sequence[str],
    dev_kd: Float[np.ndarray, "k d"],
    labels_k: Sequence[str],
    test_md: Float[np.ndarray, "m d"],
    *,
    hidden: int = HIDDEN,
    patience: int = 8,
    epochs: int = 15,
    most: int = 200,
) -> np.ndarray:
    """The labels that a classifier with one layer of sigmoids gives the test, as it was best on the development part.

    Adam, batches of 64; after every `epochs` epochs the development part is told, the best state is kept, and training
    ends when it was no better more than `patience` times, or after `most` epochs. Source: DiscoEval's `MLP`, with the
    settings of its discourse coherence.

    Raises:
        InputError: Fewer than two labels to train on.

    Examples:
        >>> z = np.random.default_rng(0).normal(size=(256, 2)).astype(np.float32)
        >>> y = np.where(z[:, 0] > 0, "a", "b")
        >>> said = with_hidden_layer(z, y, z, y, z, hidden=16, patience=0, most=60)
        >>> bool((said == y).mean() > 0.7)
        True
    """
    names, label_n = np.unique(np.asarray(labels_n), return_inverse=True)
    if len(names) < 2:
        raise InputError("the training labels are all the same", fix="give two classes or more")
    x, y = torch.from_numpy(train_nd).float(), torch.from_numpy(label_n)
    generator = torch.Generator().manual_seed(_SEED)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(_SEED)
        network = nn.Sequential(nn.Linear(x.shape[1], hidden), nn.Sigmoid(), nn.Linear(hidden, len(names)))
    optimizer = torch.optim.Adam(network.parameters(), weight_decay=1 / _NONE)

    def told(z_md: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return np.asarray(names[network(torch.from_numpy(z_md).float()).argmax(1).numpy()])

    best, said, worse = -1.0, told(test_md), 0
    for _ in range(0, most, epochs):
        for order in (torch.randperm(len(x), generator=generator) for _ in range(epochs)):
            for rows in order.split(64):
                optimizer.zero_grad()
                nn.functional.cross_entropy(network(x[rows]), y[rows]).backward()
                optimizer.step()
        accuracy = float((told(dev_kd) == np.asarray(labels_k)).mean())
        if accuracy > best:
            best, said = accuracy, told(test_md)
        else:
            worse += 1
        if worse > patience:
            break
    return said


def _tell(kind: str, z: Features) -> np.ndarray:
    if kind == "DC":
        every = {part: (x.reshape(len(x), -1), y) for part, (x, y) in z.items()}
        return with_hidden_layer(*every["train"], *every["dev"], every["test"][0])  # type: ignore[arg-type]
    every = {part: (_FEATURES[kind](x), y) for part, (x, y) in z.items()}
    if kind in ("SP", "BSO"):
        return with_dev(*every["train"], *every["dev"], every["test"][0])  # type: ignore[arg-type]
    return probe(every["train"][0], every["train"][1].tolist(), every["test"][0], c=_NONE)


def _of_relation(x: Float[np.ndarray, "n 2 d"]) -> Float[np.ndarray, "n e"]:
    u, v = x[:, 0], x[:, 1]
    return np.concatenate([u, v, u * v, np.abs(u - v)], 1)


_FEATURES: Mapping[str, Callable[[np.ndarray], np.ndarray]] = {
    "SP": first_and_differences, "BSO": lambda x: x, "SSP": lambda x: x[:, 0], "PDTB": _of_relation,
}  # fmt: skip


def evaluate_discourse(
    encoder: Encodes,
    tasks: Mapping[str, DiscourseTask],
    *,
    samples: int = SAMPLES,
    seed: int = 0,
    say: Callable[[str], None] = lambda _: None,
) -> Result:
    """Measure an encoder on DiscoEval: accuracy on the test part of each task, and the mean of each kind.

    Source: Chen et al. 2019, "Evaluation Benchmarks and Learning Criteria for Discourse-Aware Sentence
    Representations", and the authors' code:

    | kind | asked | features | classifier |
    |---|---|---|---|
    | SP | where the first of five sentences stood | `[x1; x1 - x2; ...; x1 - x5]` | logistic (`with_dev`) |
    | BSO | are both in their order? each pair stands in both | `[x1; x2; x1 - x2]` | the same |
    | DC | are six in their order, or is one from elsewhere? | `[x1; ...; x6]` | 2,000 sigmoids (`with_hidden_layer`) |
    | SSP | is it from the abstract? | `x` | logistic, no penalty |
    | PDTB | which relation have both? | `[x1; x2; x1 * x2; abs(x1 - x2)]` | logistic, no penalty |

    Logistic regressions are scikit-learn's, `usepytorch=False` there; the paper's figures are by Adam, stopped early.
    For BERT and ELMo the authors take the mean over tokens and over all layers; here it is the encoder's own vector.
    RST is left out (`read_discourse_tasks`), so there is no mean over all kinds that could be held against theirs.

    Args:
        encoder: What encodes.
        tasks: What to measure on (`read_discourse_tasks`).
        samples: Bootstrap resamples, 0 for no intervals.
        seed: Of the bootstrap.
        say: Called with the name of each task before it is measured.

    Raises:
        InputError: No tasks, or what `probe` refuses.

    Examples:
        >>> class Places:
        ...     def encode(self, texts, *, kind=None):
        ...         return np.array([[float(text[-1])] for text in texts], dtype=np.float32)
        >>> rows = [(f"it is {i}", f"it is {i + 1}") for i in range(8)]
        >>> task = DiscourseTask("BSO", dict.fromkeys(("train", "dev", "test"), rows), {})
        >>> evaluate_discourse(Places(), {"BSO numbers": task}, samples=0)["BSO numbers"].value
        1.0
    """
    if not tasks:
        raise InputError("no task of discourse", fix="give one or more")
    figures, of_kind = dict[str, Figure](), dict[str, list[str]]()
    options: dict[str, Any] = {"samples": samples, "seed": seed}
    for name, task in tasks.items():
        say(name)
        z = {part: _encoded(encoder, rows) for part, rows in task.parts.items()}
        if task.kind == "BSO":
            every = {part: both_orders(x[:, 0], x[:, 1]) for part, x in z.items()}
        else:
            every = {part: (x, np.asarray(task.labels[part])) for part, x in z.items()}
        right = _tell(task.kind, every) == every["test"][1]
        figures[name] = figure(name, right.astype(float), **options)
        of_kind.setdefault(task.kind, []).append(name)
    for kind, names in of_kind.items():
        values = np.array([figures[name].value for name in names])
        figures[f"mean {kind}"] = Figure(f"mean {kind}", float(values.mean()), values, items=tuple(names))
    return Result("discourse", ", ".join(tasks), figures)


def _encoded(encoder: Encodes, rows: Sequence[tuple[str, ...]]) -> Float[np.ndarray, "n k d"]:
    """Each sentence of each row; a sentence that stands in several rows is encoded once."""
    texts = list(dict.fromkeys(text for row in rows for text in row))
    place = {text: i for i, text in enumerate(texts)}
    z_td = encoded_in_full(encoder, texts)
    return np.asarray(z_td[np.array([[place[text] for text in row] for row in rows])])

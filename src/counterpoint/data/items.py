"""Items of any modality, and what is known of them: data sets are rows of whole numbers over items."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from counterpoint.data.hashing import input_hash
from counterpoint.errors import InputError, refuse_string


@dataclass(frozen=True, eq=False)
class Items:
    """Things of one modality, each known by its row.

    Attributes:
        modality: What they are: "text", "image", "entity", ...; a tower takes items of one modality.
        values: A list of texts; or a tensor whose first axis is items: pixels `(n, c, h, w)`, ids `(n,)` or `(n, k)`.
            uint8 stands for 0 to 1 in steps of 1/255 (`counterpoint.encoders.inputs.take`).
        names: What each is called in reports and in an index: a file name, an entity's name; empty: nothing.
        prompts: Of texts: what goes before each in place of the encoder's own prompt ("": that); empty: nothing.

    Raises:
        InputError: Texts that are one string, or names or prompts of another number.

    Examples:
        >>> items = Items("text", ["a fox", "an ant", "a fox"])
        >>> len(items), items[torch.tensor([1])].values, items.hashes().unique().numel()
        (3, ['an ant'], 2)
    """

    modality: str
    values: Sequence[str] | Tensor
    names: Sequence[str] = ()
    prompts: Sequence[str] = ()

    def __post_init__(self) -> None:
        for what in ("values", "names", "prompts"):
            given = getattr(self, what)
            refuse_string(given, what)
            if what != "values" and len(given) not in (0, len(self)):
                raise InputError(f"{len(self):,} items and {len(given):,} {what}", fix="give one an item, or none")

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, rows: Tensor) -> Items:
        """The items of these rows (int64, or a mask), in their order."""
        index = torch.arange(len(self))[rows]
        picked = index.tolist()
        values = self.values[index] if isinstance(self.values, Tensor) else [self.values[i] for i in picked]
        names, prompts = ([given[i] for i in picked] if given else () for given in (self.names, self.prompts))
        return Items(self.modality, values, names, prompts)

    @property
    def texts(self) -> Sequence[str]:
        """The values, of items that are texts.

        Raises:
            InputError: They are not.
        """
        if isinstance(self.values, Tensor):
            raise InputError(f"items are {self.modality}, where texts are needed", fix="give texts")
        return self.values

    @property
    def tensor(self) -> Tensor:
        """The values, of items that are a tensor.

        Raises:
            InputError: They are texts.
        """
        if not isinstance(self.values, Tensor):
            raise InputError("items are texts, where a tensor is needed", fix="give items of another modality")
        return self.values

    def hashes(self) -> Int[Tensor, " n"]:
        """64 bits of the content of each, the same in every process: equal items are known by them."""
        if isinstance(self.values, Tensor):
            return torch.from_numpy(_hashes_of_bytes(self.values.contiguous().numpy()))
        if not self.prompts and hasattr(self.values, "hashes"):  # `StoredTexts` know them
            return torch.from_numpy(self.values.hashes())
        whole = [p + t for p, t in zip(self.prompts, self.values, strict=True)] if self.prompts else list(self.values)
        return torch.from_numpy(np.asarray(input_hash(whole)))

    @staticmethod
    def cat(parts: Sequence[Items]) -> Items:
        """One after another; names and prompts are "" where a part has none and another has some.

        Raises:
            InputError: Parts of different modalities, or pixels of different sizes.
        """
        modalities = sorted({part.modality for part in parts})
        if len(modalities) > 1:
            raise InputError(f"items of {' and '.join(modalities)} are not of one modality", fix="give one at a time")
        tensors = [part.values for part in parts if isinstance(part.values, Tensor)]
        if len({tuple(t.shape[1:]) for t in tensors}) > 1:
            shapes = " and ".join(sorted({str(tuple(t.shape[1:])) for t in tensors}))
            raise InputError(f"items of shapes {shapes} do not fit together", fix="give them one shape")
        values = torch.cat(tensors) if tensors else [text for part in parts for text in part.values]

        def side(what: str) -> list[str]:
            some = any(getattr(part, what) for part in parts)
            return [x for part in parts for x in (getattr(part, what) or [""] * len(part))] if some else []

        return Items(modalities[0], values, side("names"), side("prompts"))


@dataclass(frozen=True, eq=False)
class Data:
    """A data set: rows of whole numbers over items.

    What kind of data set it is follows from what is there: items alone (an item is its own positive, by another view or
    another dropout), pairs and tuples (`positives`, perhaps `negatives`), scored pairs (column `score`), labelled items
    (column `label`, or `labels` where an item has several).

    Attributes:
        anchors: What is contrasted; of pairs the queries.
        anchor: `(n,)`: the anchor of each row.
        others: What anchors are contrasted with; None where anchors are alone.
        positives: `(n, p)`: what belongs to the anchor, rows of `others`; -1: no more.
        negatives: `(n, s)`: what does not (hard negatives); -1: no more.
        columns: What else is known of each row, `(n, ...)`: `label`, `score`, `domain`, ... (see `Points`).
        source: Where they came from.
        classes: The name of each label.

    Raises:
        InputError: Columns of different lengths, or numbers beyond the items.

    Examples:
        >>> pictures = Items("image", torch.zeros(3, 1, 8, 8, dtype=torch.uint8))
        >>> captions = Items("text", ["a cat", "a dog"])
        >>> data = Data(pictures, torch.arange(3), captions, torch.tensor([[0], [1], [1]]))
        >>> data.schema, data.modalities, len(data[torch.tensor([2])])
        ('pairs', ('image', 'text'), 1)
    """

    anchors: Items
    anchor: Int[Tensor, " n"]
    others: Items | None = None
    positives: Int[Tensor, "n p"] | None = None
    negatives: Int[Tensor, "n s"] | None = None
    columns: Mapping[str, Tensor] = field(default_factory=dict)
    source: str = ""
    classes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        sides: dict[str, tuple[Tensor | None, Items | None]] = {"anchor": (self.anchor, self.anchors)}
        sides |= {"positives": (self.positives, self.others), "negatives": (self.negatives, self.others)}
        for what, (rows, items) in sides.items():
            if rows is None:
                continue
            if items is None:
                raise InputError(f"{what} without others, which they are rows of", fix="give others")
            if len(rows) != len(self.anchor):
                raise InputError(f"{len(self.anchor):,} anchors and {len(rows):,} {what}", fix="give one an anchor")
            if rows.numel() and not -1 <= int(rows.min()) <= int(rows.max()) < len(items):
                raise InputError(f"{what} are rows beyond the {len(items):,} items", fix="give rows that are there")
        for name, column in self.columns.items():
            if len(column) != len(self.anchor):
                raise InputError(f"{len(self.anchor):,} rows and {len(column):,} of {name!r}", fix="give one a row")

    @classmethod
    def alone(cls, items: Items, *, source: str = "", classes: tuple[str, ...] = (), **columns: Tensor) -> Data:
        """Every item a row of its own."""
        return cls(items, torch.arange(len(items)), columns=columns, source=source, classes=classes)

    def __len__(self) -> int:
        return len(self.anchor)

    def __getitem__(self, rows: Tensor) -> Data:
        """These rows (int64, or a mask) over the same items."""
        return replace(
            self,
            anchor=self.anchor[rows],
            positives=None if self.positives is None else self.positives[rows],
            negatives=None if self.negatives is None else self.negatives[rows],
            columns={name: column[rows] for name, column in self.columns.items()},
        )

    @property
    def schema(self) -> str:
        """`items`, `pairs`, `tuples` (with hard negatives or several positives), `scored` or `labelled`."""
        if self.positives is None:
            return "labelled" if self.columns.keys() & {"label", "labels"} else "items"
        if "score" in self.columns:
            return "scored"
        return "pairs" if self.negatives is None and self.positives.shape[1] == 1 else "tuples"

    @property
    def modalities(self) -> tuple[str, str | None]:
        """Of the anchors, and of the others where there are some."""
        return self.anchors.modality, None if self.others is None else self.others.modality


def _hashes_of_bytes(values: np.ndarray) -> np.ndarray:
    from hashlib import blake2b

    rows = values.reshape(len(values), -1).view(np.uint8) if values.size else np.empty((len(values), 0), np.uint8)
    digests = b"".join(blake2b(row.tobytes(), digest_size=8).digest() for row in rows)
    return np.frombuffer(digests, dtype="<i8").astype(np.int64)

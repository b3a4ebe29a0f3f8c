"""Hugging Face datasets: saved in a folder, or on the hub."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from counterpoint.data.reading import Reading
from counterpoint.data.tables import FORMATS, SNIFF, Table, arrow_rows, keyed, suffix
from counterpoint.data.types import PARTS, Rejects
from counterpoint.errors import InputError, MissingExtra


def read_saved(folder: Path, split: str | None, reject: Rejects) -> Table:
    """A folder that `datasets.save_to_disk` wrote, read with pyarrow alone."""
    import pyarrow

    from counterpoint.data.pictures import holds_pictures

    if (folder / "dataset_dict.json").is_file():
        splits = _json(folder / "dataset_dict.json").get("splits", [])
        return read_saved(folder / _choose(splits, split, folder), None, reject)
    if not (folder / "state.json").is_file():
        known = "corpus.jsonl + queries.jsonl + qrels (BEIR), SentEval, STS or DiscoEval (to evaluate), a saved "
        known += "Hugging Face dataset, pictures (perhaps with captions.tsv, or a folder a class), "
        known += "train.tsv + valid.tsv + test.tsv of head, relation, tail"
        files = sorted(p.name for p in folder.iterdir() if p.is_file() and suffix(p) in FORMATS)
        if not files and holds_pictures(folder):
            raise InputError("a folder of pictures, and texts are needed here", file=folder, fix="give a file of texts")
        fix = f"name one file, such as {folder / files[0]}" if files else f"known are: {known}"
        raise InputError("a folder of no known layout", file=folder, fix=fix)
    state = _json(folder / "state.json")
    if split != state.get("_split"):  # it may be saved with its name
        Reading(split=split).check(str(folder), "a dataset of one split")
    features = saved_features(folder)
    labels = {column: feature["names"] for column, feature in features.items() if feature.get("_type") == "ClassLabel"}
    files = [folder / item["filename"] for item in state["_data_files"]]

    def batches() -> Iterable[Any]:
        for file in files:
            try:
                with pyarrow.memory_map(str(file)) as mapped:
                    yield from pyarrow.ipc.open_stream(mapped)
            except (pyarrow.ArrowException, OSError) as error:
                reason = str(error).splitlines()[0].rstrip(".")
                raise InputError(
                    f"not a whole Arrow file: {reason}", file=file, fix="save the dataset again"
                ) from error

    heavy = any(feature.get("_type") == "Image" for feature in features.values())
    table = keyed(arrow_rows(batches(), labels), folder, reject, 32 if heavy else SNIFF)
    table.labels = tuple(labels)
    return table


def is_saved(folder: Path) -> bool:
    """Whether `datasets.save_to_disk` wrote the folder."""
    return any((folder / name).is_file() for name in ("state.json", "dataset_dict.json"))


def saved_splits(folder: Path) -> list[str]:
    """The splits of a saved dataset; nothing where it is one alone."""
    file = folder / "dataset_dict.json"
    return list(_json(file).get("splits", [])) if file.is_file() else []


def saved_features(folder: Path) -> dict[str, dict[str, Any]]:
    """What each column of a saved dataset (of several splits the first) holds, or, of a list, its elements."""
    files = [folder / "dataset_info.json", *sorted(folder.glob("*/dataset_info.json"))]
    features = next((_json(file).get("features") for file in files if file.is_file()), None) or {}
    found = {}
    for column, feature in features.items():
        if isinstance(feature, list) and feature:  # a list of classes, as older versions write it
            feature = feature[0]
        if isinstance(feature, dict) and isinstance(feature.get("feature"), dict):
            feature = feature["feature"]
        found[column] = feature if isinstance(feature, dict) else {}
    return found


def _json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"broken JSON: {error}", file=path, fix="save the dataset again") from error
    return value if isinstance(value, dict) else {}


def _choose(splits: Iterable[str], split: str | None, source: str | Path) -> str:
    splits = list(splits)
    chosen = split or ("train" if "train" in splits or len(splits) != 1 else splits[0])
    if chosen not in splits:
        raise InputError(
            f"no split {chosen!r} (there is {', '.join(splits) or 'none'})",
            file=source,
            fix="name the split (split=, --split)",
        )
    return chosen


def read_hub(name: str, split: str | None, reject: Rejects) -> Table:
    """A dataset of the Hugging Face hub: `hf:OWNER/NAME[/CONFIG][:SPLIT]`."""
    loaded, chosen = load_hub(name, split)
    return dataset_table(loaded[_choose(loaded, chosen, name)], name, reject)


def load_hub(name: str, split: str | None = None) -> tuple[Mapping[str, Any], str | None]:
    """All splits of a dataset of the hub, and the one that the name or `split` names, if they do.

    Raises:
        InputError: There is no such dataset, or no connection; they name two.
    """
    try:
        import datasets
    except ImportError:
        raise MissingExtra("datasets", extra="hub") from None
    body, _, named_split = name.removeprefix("hf:").partition(":")
    if named_split and split not in (None, named_split):
        raise InputError(f"the name says split {named_split}, and split= {split}", file=name, fix="say one")
    owner_name, config = "/".join(body.split("/")[:2]), "/".join(body.split("/")[2:]) or None
    try:
        loaded = datasets.load_dataset(owner_name, config)
    except (ValueError, OSError, RuntimeError) as error:
        reason = str(error).splitlines()[0].rstrip(".")
        raise InputError(
            f"cannot be loaded from the hub: {reason}",
            file=name,
            fix="check the name (hf:OWNER/NAME/CONFIG:SPLIT) and the connection",
        ) from error
    return loaded, named_split or split


def dataset_table(data: Any, name: str, reject: Rejects) -> Table:
    """The rows of a `datasets.Dataset`."""
    kinds = dataset_kinds(data)
    inner = {column: getattr(feature, "feature", feature) for column, feature in data.features.items()}
    labels = {column: inner[column].names for column, kind in kinds.items() if kind == "ClassLabel"}
    batches = data.with_format("arrow").iter(batch_size=1024)
    table = keyed(arrow_rows(batches, labels), name, reject, 32 if "Image" in kinds.values() else SNIFF)
    table.labels = tuple(labels)
    return table


def dataset_kinds(data: Any) -> dict[str, str]:
    """What each column of a `datasets.Dataset` holds, or, of lists, their elements: "Image", "ClassLabel", ..."""
    return {column: type(getattr(each, "feature", each)).__name__ for column, each in data.features.items()}


def by_part(splits: Iterable[str], split: str | None = None) -> dict[str, str]:
    """Part -> the split that is it, by any of its names; the split that is asked for, or the only one, is trained on.

    Examples:
        >>> by_part(["train", "validation", "extra"]), by_part(["train", "test"], "test")
        ({'train': 'train', 'dev': 'validation'}, {'train': 'test'})
    """
    splits = list(splits)
    if split is not None or len(splits) == 1:
        return {"train": split or splits[0]}
    found = {part: next((name for name in names if name in splits), "") for part, names in PARTS.items()}
    return {part: name for part, name in found.items() if name}

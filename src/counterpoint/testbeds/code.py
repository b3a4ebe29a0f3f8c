"""Code search: what a docstring says finds the function, among those of modules that nothing was trained on."""

from __future__ import annotations

import copy
import sysconfig
from dataclasses import replace
from functools import cache
from pathlib import Path
from zlib import crc32

from counterpoint.data import Example
from counterpoint.data.functions import Function, read_functions
from counterpoint.data.hashing import normalise
from counterpoint.data.items import Data
from counterpoint.data.rows import rows_of
from counterpoint.encoders import StaticEncoder
from counterpoint.methods import Recipe, Stage, Takes
from counterpoint.negatives import mine_bm25
from counterpoint.objectives import InfoNCE
from counterpoint.tasks import Collection, pairs
from counterpoint.testbeds.bed import Parts, Testbed
from counterpoint.testbeds.lexical import TF_IDF
from counterpoint.testbeds.texts import RETRIEVAL, TABLE, table
from counterpoint.training import TrainConfig

_PACKAGES = ("numpy", "sklearn")
_HELD = 5
"""One module of so many is held out."""


def functions(seed: int) -> Parts:
    """Docstrings' first paragraphs with their functions; one module of five is for test. The same for every seed.

    Of Python's own library, NumPy and scikit-learn as they are installed. A module is a file or folder below the
    library, or below a package. Training pairs that share a docstring or a function with the test are left out.
    """
    del seed
    return _functions()


def judged_functions(seed: int) -> Parts:
    """The same, and in training each docstring has a function that is not its own, the first of BM25. 200 are asked."""
    del seed
    return _judged(), _functions()[1].asking(200)


def made_and_judged(seed: int) -> Parts:
    """The functions that are written by rule, each docstring also with one that does the same with something else."""
    train, test = made_functions(seed)
    assert train.positives is not None
    # those of one kind stand side by side
    other = train.positives.roll(-1, 0)
    return replace(train, negatives=other), test


def seen_functions(seed: int) -> Parts:
    """The same with the test's pairs among those of training: an oracle's training part."""
    del seed
    return _seen()


def made_functions(seed: int) -> Parts:
    """144 functions that are written by rule, half of them for test: the same with every version of Python."""
    del seed
    rows = [
        Example(say.format(noun), (code.format(noun),), line=i)
        for i, (say, code) in enumerate((say, code) for say, code in _MADE.items())
        for noun in _NOUNS
    ]
    return rows_of(rows, "made functions"), pairs(rows_of(rows[::2], "made functions"))


_NOUNS = (
    "apple", "boat", "candle", "door", "engine", "feather", "garden", "hammer", "island", "jacket", "kettle", "ladder",
    "mirror", "needle", "orange", "pencil", "quilt", "ribbon", "saddle", "table", "umbrella", "violin",
    "window", "zipper",
)  # fmt: skip
_MADE = {
    "Count every {0} of a list": "def count_{0}(items):\n    total = 0\n    for item in items:\n"
    "        total += item.kind == '{0}'\n    return total",
    "Give the first {0} there is": "def first_{0}(items):\n    for item in items:\n        if item.{0}:\n"
    "            return item\n    raise LookupError('{0}')",
    "Sort by the price of the {0}": "def by_{0}(items):\n    found = sorted(items, key=lambda one: one.{0})\n"
    "    found.reverse()\n    return found",
    "Write a {0} to a file": "def save_{0}(thing, path):\n    with open(path, 'w') as file:\n"
    "        file.write(thing.{0}.text)\n    return path",
    "Whether two people own the same {0}": "def same_{0}(one, other):\n    first = one.owns.{0}\n"
    "    second = other.owns.{0}\n    return first is second",
    "Paint the {0} in another colour": "def paint_{0}(room, colour='red'):\n    old = room.{0}.colour\n"
    "    room.{0}.colour = colour\n    return old",
}


def _module(package: str, function: Function) -> str:
    first = function.file.parts[0].removesuffix(".py")
    return f"{package}.{first}"


@cache
def _read() -> tuple[list[Example], list[Example]]:
    library, site = (Path(sysconfig.get_paths()[name]) for name in ("stdlib", "purelib"))
    train, test = list[Example](), list[Example]()
    for place in (library, *(site / name for name in _PACKAGES)):
        for function in read_functions(place):
            part = train if crc32(_module(place.name, function).encode()) % _HELD else test
            part.append(Example(function.doc, (function.code,)))
    held = {normalise(text) for example in test for text in example.texts}
    return [e for e in train if not held & {normalise(text) for text in e.texts}], test


@cache
def _judged() -> Data:
    return mine_bm25(_functions()[0], 1)


@cache
def _functions() -> tuple[Data, Collection]:
    train, test = _read()
    return rows_of(train, "Python"), pairs(rows_of(test, "Python"))


@cache
def _seen() -> Parts:
    train, test = _read()
    return rows_of([*train, *test], "Python, all"), _functions()[1]


_START = "a random table of token vectors (20,000 x 256)"

CODE = Testbed(
    "code",
    functions,
    "docstrings' first paragraphs with the functions that they are of, from Python's library, NumPy and scikit-learn "
    f"as installed, one module of five for test; {_START} from scratch, 200 steps at a rate of 0.02",
    table,
    steps=200,
    settings=TABLE,
    raw=TF_IDF,
    figures=RETRIEVAL,
)


SEEN_CODE = replace(CODE, name="code, all of it", parts=seen_functions, steps=400)
"""With the test's pairs among those of training: what the table can learn of them."""


MADE_CODE = replace(
    CODE,
    name="made code",
    parts=made_functions,
    about=f"144 functions written by rule, half of them for test; {_START} from scratch, 20 steps at a rate of 0.02",
    steps=20,
)


def knowing_table(data: Data, seed: int) -> StaticEncoder:
    """The table after training on the functions by InfoNCE: a start that knows what code is about."""
    del data
    return copy.deepcopy(_knowing(seed))


@cache
def _knowing(seed: int) -> StaticEncoder:
    settings = TrainConfig(steps=200, batch_size=128, validations=1, **TABLE)
    recipe = Recipe("InfoNCE", (Stage(lambda: InfoNCE(0.07), settings),), Takes("text", "text"))
    data = _functions()[0]
    encoder = table(data, seed)
    recipe.make(data, seed, encoder=encoder)
    return encoder


JUDGED_CODE = replace(
    CODE,
    name="code, judged",
    parts=judged_functions,
    about="docstrings with the functions that they are of and each with one that BM25 takes for it, from Python's "
    "library, NumPy and scikit-learn as installed; 200 docstrings of other modules for test; a table of token vectors "
    "(20,000 x 256) that was trained on the pairs by InfoNCE for 200 steps, then 200 steps at a rate of 0.002",
    start=knowing_table,
    settings=TABLE | {"learning_rate": 2e-3},
)


MADE_JUDGED_CODE = replace(
    MADE_CODE,
    name="made code, judged",
    parts=made_and_judged,
    about="144 functions written by rule, each docstring also with a function of something else; "
    f"{_START} from scratch, 20 steps at a rate of 0.02",
)

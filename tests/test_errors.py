"""The two errors a user sees."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from counterpoint.errors import InputError, MissingExtra


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (InputError("it is empty"), "it is empty."),
        (InputError("it is empty", fix="fill it"), "it is empty; fill it."),
        (InputError("it is empty", file="a.tsv"), "a.tsv: it is empty."),
        (InputError("it is empty", file=Path("x") / "a.tsv", line=7), "x/a.tsv:7: it is empty."),
        (InputError("it is empty", line=7, fix="fill it"), "line 7: it is empty; fill it."),
        (MissingExtra("ray", extra="scale"), "ray is not installed; run: pip install 'counterpoint[scale]'."),
    ],
)
def test_one_sentence(error, sentence):
    assert str(error) == sentence
    assert error.args == (sentence,)
    # across processes, as a data loader's or Ray's worker sends it
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert str(again) == sentence
    assert (again.file, again.line, again.fix) == (error.file, error.line, error.fix)


def test_they_are_the_errors_python_expects():
    with pytest.raises(ValueError, match="wrong"):
        raise InputError("wrong")
    with pytest.raises(ImportError):
        raise MissingExtra("ray", extra="scale")
    with pytest.raises(InputError):
        raise MissingExtra("ray", extra="scale")

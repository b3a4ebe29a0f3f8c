"""Documented functions of Python files: what is taken, what is left out, and that nothing is run."""

from __future__ import annotations

from counterpoint.data import read_functions

SOURCE = '''
raise SystemExit("run")

def area(a, b):
    """Size of a
    rectangle.

    Args: two sides.
    """
    c = a * b  # in metres
    return c

def short(a):
    """Gives it back again."""
    return a

def undocumented(a):
    b = a
    return b

def test_area():
    """Tests the function area."""
    a = area(1, 2)
    assert a == 2

class Shape:
    def __init__(self):
        """Makes a new shape."""
        self.a = 1
        self.b = 2

    async def turn(self):
        """Turns it around once."""
        def inner():
            """Is within a function."""
            a = 1
            return a
        await inner()
'''


def test_documented_functions_and_methods_are_found_and_nothing_is_run(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "shapes.py").write_text(SOURCE)
    (tmp_path / "a.py").write_text('def first():\n    "Comes before the others."\n    a = 1\n    return a\n')
    found = read_functions(tmp_path)
    assert [(f.name, f.doc, str(f.file)) for f in found] == [
        ("first", "Comes before the others.", "a.py"),
        ("area", "Size of a rectangle.", "sub/shapes.py"),
        ("turn", "Turns it around once.", "sub/shapes.py"),
    ]
    assert found[1].code == "def area(a, b):\n    c = a * b\n    return c"
    assert "Turns" not in found[2].code
    assert "Is within a function." in found[2].code


def test_a_file_is_read_and_what_cannot_be_parsed_and_tests_are_left_out(tmp_path):
    (tmp_path / "tests").mkdir()
    for name in ("good.py", "tests/in_tests.py"):
        (tmp_path / name).write_text(SOURCE)
    (tmp_path / "bad.py").write_text("def f(:\n")
    (tmp_path / "latin.py").write_bytes(b'"\xe9"\n')
    assert {str(f.file) for f in read_functions(tmp_path)} == {"good.py"}
    assert len(read_functions(tmp_path / "good.py")) == 2

import dataclasses
import io

from rich.console import Console

from counterpoint.report import Figure, System, print_figures, terminal_table
from report.sample import sample


def printed(content, width=110):
    console = Console(file=io.StringIO(), width=width)
    print_figures(content, console)
    return console.file.getvalue()


def test_the_table_has_every_figure_and_the_verdict():
    text = printed(sample())
    for system in sample().systems:
        for figure in system.figures.values():
            assert f"{figure.value:.3f}" in text
    assert "0.585–0.627" in text
    assert "trained against BM25: MRR@10 +0.028 (+0.009 to +0.047), clearly better" in text
    assert "Yes. Clearly better than untrained and BM25." in text


def test_markup_in_names_is_text():
    systems = (System("[red]x[/red]", sample().systems[0].figures),)
    assert "[red]x[/red]" in printed(dataclasses.replace(sample(), title="[b]t", systems=systems))


def test_a_missing_figure_is_an_empty_cell():
    systems = (*sample().systems, System("half", {"MRR@10": sample().systems[0].figures["MRR@10"]}))
    assert terminal_table(dataclasses.replace(sample(), systems=systems)).row_count == 5


def test_notes_stand_under_the_table():
    text = printed(dataclasses.replace(sample(), notes=("12 of 1,500 queries were [b]left out[/b]",)))
    assert (
        text.index("0.585–0.627") < text.index("12 of 1,500 queries were [b]left out[/b]") < text.index("against BM25")
    )


def test_below_a_narrow_table_sentences_are_as_wide_as_the_terminal():
    systems = tuple(System(s.name, {"MRR@10": s.figures["MRR@10"]}) for s in sample().systems)
    lines = printed(dataclasses.replace(sample(), systems=systems), width=80).splitlines()
    assert any("trained against BM25: MRR@10 +0.028 (+0.009 to +0.047), clearly better" in line for line in lines)


def test_many_metrics_are_rows():
    names = ("mean recall", *(f"{way} hit@{k}" for way in ("image to text", "text to image") for k in (1, 5, 10)))
    figures = {name: Figure(0.1 + i / 100, 0.05, 0.2) for i, name in enumerate(names)}
    figures["text to image mean rank"] = Figure(75.5, 70.0, 80.0, lower=True)
    content = dataclasses.replace(sample(), systems=(System("untrained", figures), System("trained", figures)))
    lines = printed(content, width=80).splitlines()
    assert max(map(len, lines)) <= 80
    for i, name in enumerate(names):
        (line,) = (line for line in lines if f" {name} " in line)
        assert line.split()[-2:] == [f"{0.1 + i / 100:.3f}"] * 2
    assert any("text to image mean rank (less is better)" in line for line in lines)
    assert terminal_table(content).row_count == 8


def test_names_are_whole_in_80_columns():
    figures = {f"metric@{n}": Figure(0.4, -4.1853, 5.0801) for n in (1, 10, 100, 1000)}
    text = printed(dataclasses.replace(sample(), systems=(System("SimCSE", figures), System("E5", figures))), width=80)
    assert "SimCSE" in text
    assert all(name in text for name in figures)
    assert max(map(len, text.splitlines())) <= 80

"""`counterpoint generate`, against a server and a tiny model."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from counterpoint.cli.main import app
from counterpoint.data import read
from counterpoint.errors import InputError
from counterpoint.generating import CausalLM
from generating.served import asked, completion, reply, serving
from generating.tiny import made

TEXTS = ["a plane takes off", "dogs run", "rain falls"]


def run(*arguments):
    return CliRunner().invoke(app, ["generate", *map(str, arguments)])


def rows(file):
    return [json.loads(line) for line in file.read_text().splitlines()]


def turned(handler, body, count):
    reply(handler, completion(" ".join(reversed(asked(body).split(": ")[1].split()))))


@pytest.fixture
def texts(tmp_path):
    file = tmp_path / "texts.txt"
    file.write_text("\n".join(TEXTS) + "\n")
    return file


def test_what_is_written_is_data_for_fit(texts, tmp_path):
    output = tmp_path / "pairs.jsonl"
    with serving(turned) as (url, served):
        done = run(texts, "-p", "Turn: {text}", "-o", output, "-m", "m", "--url", url, "--system", "be {id}")
    assert done.exit_code == 0, done.output
    assert rows(output) == [
        {"id": f"d{i}", "text": t, "sample": 0, "answer": " ".join(reversed(t.split()))} for i, t in enumerate(TEXTS)
    ]
    assert [m["role"] for m in served.bodies[0]["messages"]] == ["system", "user"]
    assert {body["messages"][0]["content"] for body in served.bodies} == {"be d0", "be d1", "be d2"}
    data = read(output, columns={"anchor": "text", "positive": "answer"})
    assert [e.texts for e in data.examples] == [(t, " ".join(reversed(t.split()))) for t in TEXTS]
    assert "3 answers new, 0 kept" in done.output
    assert max(map(len, done.stdout.splitlines())) <= 80 + len(str(tmp_path))


def test_the_same_command_asks_nothing_again(texts, tmp_path):
    output = tmp_path / "pairs.jsonl"
    with serving(turned) as (url, served):
        command = [texts, "-p", "Turn: {text}", "-o", output, "-m", "m", "--url", url, "--json"]
        run(*command)
        before = output.read_text()
        output.unlink()
        done = run(*command)
    said = json.loads(done.stdout)
    assert (said["rows"], said["failed"], said["asked"], said["kept"]) == (3, 0, 0, 3)
    assert said["cost"] is None
    assert output.read_text() == before
    assert len(served.bodies) == 3


def test_failures_are_listed(texts, tmp_path):
    def answer(handler, body, count):
        reply(handler, completion("no idea" if "dogs" in asked(body) else "0.5"))

    output = tmp_path / "scores.jsonl"
    with serving(answer) as (url, _):
        command = [texts, "-p", "Score: {text}", "-o", output, "-m", "m", "--url", url, "--parse", "number:0:1"]
        done = run(*command, "--temperature", 1, "--tries", 2, "--price", "1:2", "--json")
    assert done.exit_code == 0, done.output
    assert [row["answer"] for row in rows(output)] == [0.5, 0.5]
    (failed,) = rows(tmp_path / "scores.jsonl.failed.jsonl")
    assert failed == {
        "id": "d1", "text": "dogs run", "sample": 0, "failure": "no number: 'no idea'", "said": ["no idea"] * 2,
    }  # fmt: skip
    assert f"note: 1 of 3 failed, listed with the reasons in {output}.failed.jsonl" in done.stderr
    assert json.loads(done.stdout)["cost"] == pytest.approx((4 * 3 + 2 * (1 + 1 + 2 + 2)) / 1e6)
    # what is right the next time leaves no old list
    with serving(lambda h, b, c: reply(h, completion("0.5"))) as (url, _):
        run(texts, "-p", "Score: {text}", "-o", output, "-m", "m", "--url", url)
    assert not (tmp_path / "scores.jsonl.failed.jsonl").exists()


def test_nothing_that_can_be_used(texts, tmp_path):
    with serving(turned) as (url, _):
        done = run(
            texts, "-p", "Score: {text}", "-o", tmp_path / "o.jsonl", "-m", "m", "--url", url, "--parse", "json-list"
        )
    assert isinstance(done.exception, InputError)
    assert "no answer can be used (not a JSON array of texts" in str(done.exception)
    assert str(done.exception).endswith("change the prompt or --parse.")


def test_no_answer_at_all_says_why_and_leaves_what_is_there(texts, tmp_path):
    """It is the server, not the prompt."""
    output = tmp_path / "o.jsonl"
    output.write_text("kept\n")
    with serving(lambda h, b, c: reply(h, {"error": "too long"}, status=400)) as (url, _):
        done = run(texts, "-p", "Turn: {text}", "-o", output, "-m", "m", "--url", url)
    assert isinstance(done.exception, InputError)
    assert "no answer can be used (http://" in str(done.exception)
    assert "too long" in str(done.exception)
    assert str(done.exception).endswith("see to the model and run the same again.")
    assert output.read_text() == "kept\n"
    assert "0 answers new, 0 kept, 3 refused" in done.stderr


def test_one_prompt_for_all_is_asked_of_nobody(texts, tmp_path):
    done = run(texts, "-p", "Say it again", "-o", tmp_path / "o.jsonl", "-m", "m", "--url", "http://127.0.0.1:9/v1")
    assert "the prompt is the same for all texts; write {text}" in str(done.exception)
    assert not (tmp_path / "o.jsonl.answers").exists()


def test_columns_of_a_table_of_pairs(tmp_path):
    file = tmp_path / "pairs.tsv"
    file.write_text("query\tdocument\na\tb\nc\td\n")
    command = [file, "-p", "{text} or {document}", "-o", tmp_path / "o.jsonl", "-m", "m"]
    with serving(lambda h, b, c: reply(h, completion(asked(b)))) as (url, _):
        wrong = run(*command, "--url", url)
        assert "known are: id, text; with --column text=NAME all columns of a table" in str(wrong.exception)
        done = run(*command, "--url", url, "--column", "text=query")
    assert done.exit_code == 0, done.output
    assert [(row["document"], row["answer"]) for row in rows(tmp_path / "o.jsonl")] == [
        ("b", "a or b"),
        ("d", "c or d"),
    ]


def test_a_table_with_columns(tmp_path):
    file = tmp_path / "table.csv"
    file.write_text("id,text,genre\na,dogs run,sport\nb,cats sleep,home\n")
    with serving(turned) as (url, served):
        done = run(file, "-p", "{genre} {id}: {text}", "-o", tmp_path / "o.jsonl", "-m", "m", "--url", url)
        assert done.exit_code == 0, done.output
        assert {asked(body) for body in served.bodies} == {"sport a: dogs run", "home b: cats sleep"}
        wrong = run(file, "-p", "{topic}", "-o", tmp_path / "o.jsonl", "-m", "m", "--url", url)
    assert "row 1: the template names {topic}; known are: genre, id, text" in str(wrong.exception)


def test_columns_of_the_source_come_with_the_answer(tmp_path):
    file, output = tmp_path / "table.csv", tmp_path / "o.jsonl"
    file.write_text("id,text,year,sample\na,dogs run,1990,x\nb,cats sleep,,y\n")
    with serving(turned) as (url, _):
        done = run(file, "-p", "Turn: {text}", "-o", output, "-m", "m", "--url", url)
    assert done.exit_code == 0, done.output
    assert rows(output) == [
        {"id": "a", "text": "dogs run", "year": 1990, "sample": 0, "answer": "run dogs"},
        {"id": "b", "text": "cats sleep", "year": None, "sample": 0, "answer": "sleep cats"},
    ]
    assert f"note: not in {output}, whose rows have such columns of their own: 'sample'" in done.stderr


def test_a_local_model(texts, tmp_path):
    lm = CausalLM(*made())
    lm.model.save_pretrained(tmp_path / "model")
    lm.tokenizer.save_pretrained(tmp_path / "model")
    output = tmp_path / "o.jsonl"
    command = [texts, "-p", "w1 {text}", "-o", output, "-m", tmp_path / "model", "--max-tokens", 4, "--samples", 2]
    done = run(*command, "--temperature", 1, "--seed", 3, "--batch-size", 2, "--dtype", "float32")
    assert done.exit_code == 0, done.output
    assert [(row["id"], row["sample"]) for row in rows(output)] == [(f"d{i}", s) for i in range(3) for s in range(2)]
    assert "6 answers new" in done.output


WRONG = {
    "parse": (["--parse", "score"], "--parse is score; give whole"),
    "numbers": (["--parse", "number:a:b"], "no two numbers"),
    "no number": (["--parse", "number:nan:1"], "--parse number:nan:1 lets no number through"),
    "upside down": (["--parse", "number:5:1"], "give the smaller one first"),
    "price of less": (["--price=-1:1"], "a price of -1 and 1"),
    "no budget": (["--price", "1:1", "--budget", "nan", "--url", "http://127.0.0.1:9/v1"], "a budget of nan is spent"),
    "price": (["--price", "cheap"], "--price is cheap; write READ:WRITTEN"),
    "budget": (["--budget", "3", "--url", "http://127.0.0.1:9/v1"], "a budget without a price"),
    "token": (["--token-from", "KEY"], "--token-from is for a server"),
    "dtype": (["--dtype", "int4"], "--dtype is int4"),
    "temperature": (["--temperature", "-1"], "temperature is -1"),
    "model": ([], "no such model folder"),
}


@pytest.mark.parametrize(("options", "said"), WRONG.values(), ids=WRONG)
def test_wrong_options_leave_nothing(options, said, texts, tmp_path):
    done = run(texts, "-p", "{text}", "-o", tmp_path / "o.jsonl", "-m", "./nowhere", *options)
    assert isinstance(done.exception, InputError), done.output
    assert said in str(done.exception)
    assert not (tmp_path / "o.jsonl").exists()


def test_the_help_has_an_example():
    done = CliRunner().invoke(app, ["generate", "--help"], env={"COLUMNS": "80"})
    assert "counterpoint generate texts.txt --model" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80

"""What one version of pandas, numpy and Python wrote, every other one reads: kept messages and fresh ones."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.conformance.wire.corpus import BYTES, FILE, load
from tests.fidelity.cases import CASES
from tests.fidelity.environment import interpreter, run_cases
from tests.helpers.server import clean_environment

pytestmark = pytest.mark.timeout(300)  # the first test of an environment waits for its process

CORPUS = load()
WRITERS = ["new", "old"]
READERS = ["new", "old", "oldest"]

Answers = dict[str, dict[str, str]]


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Let every environment that writes write all cases now."""
    folder = tmp_path_factory.mktemp("fresh")
    for name in WRITERS:
        run_cases(name, folder / name, "write")
    return [folder / name for name in WRITERS]


@pytest.fixture(scope="module", params=READERS)
def answers(request: pytest.FixtureRequest, fresh: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Answers:
    """Let one environment read everything; each test looks at what it said."""
    answer = tmp_path_factory.mktemp("read") / "answer.json"
    return run_cases(request.param, answer, "read", str(FILE), *map(str, fresh))


def test_everything_is_read(answers: Answers) -> None:
    wrong = []
    for name, told in answers.items():
        lacks = told.pop("lacks", "")
        assert lacks in CASES[name].needs
        assert lacks or len(told) >= len(CORPUS.get(name, ())) + 1
        wrong += [f"{name}, {whose}: {text}" for whose, text in told.items() if text]
    assert not wrong, "\n".join(wrong)
    assert answers.keys() >= CORPUS.keys()


def test_messages_too_large_to_be_kept_are_among_them(answers: Answers) -> None:
    assert len(answers.keys() - CORPUS.keys()) >= 10


def test_each_reads_most_of_it(answers: Answers) -> None:
    assert sum(1 for told in answers.values() if len(told) >= 2) >= 400


def test_the_corpus_was_written_by_pandas_2_and_3() -> None:
    for pandas in ("pandas 2.2, numpy 1.26", "pandas 3."):
        written = [name for name, told in CORPUS.items() if any(pandas in whose[0] for whose in told.values())]
        assert len(written) >= 10, pandas


def test_every_case_that_is_small_enough_is_in_the_corpus(fresh: list[Path]) -> None:
    """A new case is added by the program of corpus.py, run in both environments that write."""
    for path in fresh:
        made = json.loads(path.read_text(encoding="utf-8"))
        small = {name for name, told in made.items() if max(map(len, told)) <= 2 * BYTES}
        assert small <= CORPUS.keys()


def test_texts_of_numpy_2_arrive_in_numpy_1_as_objects() -> None:
    messages = [text for name in ("strings", "strings, some missing") for text in CORPUS[f"array: {name}"]]
    read = "import sys; from ksrpc.wire import parse; got = [parse(bytes.fromhex(text)) for text in sys.argv[1:]]"
    show = "import json, numpy; print(json.dumps([numpy.__version__, [[str(a.dtype), a.tolist()] for a in got]]))"
    line = [str(interpreter("old")), "-c", f"{read}; {show}", *messages]
    done = subprocess.run(line, env=clean_environment(), capture_output=True, text=True, timeout=120, check=True)
    numpy, told = json.loads(done.stdout)
    assert numpy.startswith("1.26")
    assert told == [["object", ["a", "行情", "", "x" * 40]], ["object", ["a", None]]]

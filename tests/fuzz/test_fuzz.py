"""A bounded run of the fuzzer: the corpus, changes guided by atheris where it can be had, changes at random."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest

from tests.fuzz.container import lay, take_apart
from tests.fuzz.corpus import load_corpus
from tests.fuzz.mutation import alter
from tests.fuzz.target import MESSAGES, TARGETS, BrokenPromiseError, run

ROOT = Path(__file__).parents[2]
RUNS = 4000
#: Where atheris is missing these are all that there are.
PLAIN_RUNS = 1500 if importlib.util.find_spec("atheris") else 6000
CORPUS_BYTES = 300_000


def test_the_corpus_breaks_no_promise() -> None:
    corpus = load_corpus()
    assert {data[0] for data in corpus} == set(range(len(TARGETS)))
    assert sum(map(len, corpus)) < CORPUS_BYTES
    for data in corpus:
        run(data)


def test_changes_are_those_of_their_seed_and_reach_what_is_inside() -> None:
    corpus = load_corpus()
    made = [[alter(corpus[at], corpus[at - 1], Random(at)) for at in range(len(corpus))] for _ in range(2)]
    assert made[0] == made[1]
    messages = [data[1:] for data in made[0] if data[0] in MESSAGES]
    assert sum(take_apart(data) is not None for data in messages) > len(messages) // 2


def test_a_message_laid_out_anew_is_the_same_message() -> None:
    for data in load_corpus():
        buffers = take_apart(data[1:]) if data[0] in MESSAGES else None
        if buffers:
            assert take_apart(lay(buffers, Random(1), is_plain=False)) == buffers


def fuzz(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run the fuzzer in a process of its own, where a crash or a hang is seen."""
    return subprocess.run(
        [sys.executable, "-m", "tests.fuzz", "--seed", "1", "--minutes", "1.5", *options],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )


def told_runs(output: str) -> int:
    """Return how many inputs were run."""
    found = re.search(r"Done (\d+) runs", output)
    return int(found[1]) if found else 0


@pytest.mark.skipif(importlib.util.find_spec("atheris") is None, reason="atheris has no wheel for this Python")
def test_guided_changes_break_no_promise(tmp_path: Path) -> None:
    done = fuzz(tmp_path, "--runs", str(RUNS), "--keep", str(tmp_path / "kept"))
    assert done.returncode == 0, done.stderr[-3000:]
    assert told_runs(done.stderr) >= RUNS
    assert any((tmp_path / "kept").iterdir())


def test_random_changes_break_no_promise(tmp_path: Path) -> None:
    done = fuzz(tmp_path, "--runs", str(PLAIN_RUNS), "--plain")
    assert done.returncode == 0, done.stderr[-3000:]
    assert told_runs(done.stdout) == PLAIN_RUNS
    assert "atheris is not used" in done.stderr


def test_a_broken_promise_is_an_error() -> None:
    def broken(data: bytes) -> None:
        raise BrokenPromiseError(data.decode())

    TARGETS.append(broken)
    try:
        with pytest.raises(BrokenPromiseError, match="abc"):
            run(bytes([len(TARGETS) - 1]) + b"abc")
    finally:
        TARGETS.pop()


def test_one_input_can_be_run_again(tmp_path: Path) -> None:
    path = tmp_path / "crash-1"
    path.write_bytes(load_corpus()[0])
    done = fuzz(tmp_path, str(path))
    assert done.returncode == 0
    assert path.name in done.stdout
    assert "MiB" in done.stdout

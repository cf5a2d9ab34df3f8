"""Changing ksrpc.toml keeps comments and layout, and replaces nothing by what cannot be read."""

from __future__ import annotations

import stat
import threading
import tomllib
from pathlib import Path

import pytest

from ksrpc.cli.amendment import Amendment, amending
from ksrpc.config.template import TEMPLATE
from ksrpc.errors import ConfigError

FILE = """\
# the team's gateway
[access]
allow = [
  "demo",     # to try
  "math",
]

[user.zhang]  # since spring
# not much
allow = ["demo"]

# ---- how modules run ----

# math is cheap
[module.math]
executor = "inline"

[user."wang.wu".quota]
rows_per_day = 5
[user.li]
"""


def lines_of(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.strip()]


def test_a_new_user_stands_at_the_end_and_all_else_is_as_it_was() -> None:
    amendment = Amendment(TEMPLATE)
    amendment.user("zhang.san")["allow"] = ["demo"]
    text = amendment.pack()
    assert text.startswith(TEMPLATE.rstrip())
    assert tomllib.loads(text)["user"] == {"zhang.san": {"allow": ["demo"]}}


def test_a_section_that_is_there_is_changed_in_its_place() -> None:
    amendment = Amendment(FILE)
    amendment.user("zhang")["allow"] = ["math"]
    assert amendment.pack() == FILE.replace('allow = ["demo"]\n', 'allow = ["math"]\n')


def test_what_is_opened_joins_the_list_in_its_layout() -> None:
    amendment = Amendment(FILE)
    amendment.open(["math", "numpy"])
    text = amendment.pack()
    assert tomllib.loads(text)["access"]["allow"] == ["demo", "math", "numpy"]
    assert set(lines_of(FILE)) <= set(lines_of(text))


@pytest.mark.parametrize(("before", "after"), [("", ["demo", "os"]), ("[access]\n", ["demo", "os"])])
def test_opening_begins_with_the_default(before: str, after: list[str]) -> None:
    amendment = Amendment(before)
    amendment.open(["os"])
    assert tomllib.loads(amendment.pack())["access"]["allow"] == after


def test_a_comment_stays_in_its_column_while_there_is_room() -> None:
    amendment = Amendment(TEMPLATE)
    amendment.open(["math"])
    changed = next(line for line in amendment.pack().splitlines() if line.startswith('allow = ["demo", "math"]'))
    before = next(line for line in TEMPLATE.splitlines() if line.startswith('allow = ["demo"]'))
    assert changed.index("#") == before.index("#")
    amendment.open(["a" * 40])
    assert '"] # modules' in amendment.pack()


@pytest.mark.parametrize("name", ["zhang", "wang.wu", "li"])
def test_removing_a_user_keeps_every_line_that_is_not_theirs(name: str) -> None:
    amendment = Amendment(FILE)
    amendment.remove_user(name)
    text = amendment.pack()
    theirs = {
        "zhang": ["[user.zhang]  # since spring", "# not much", 'allow = ["demo"]'],
        "wang.wu": ['[user."wang.wu".quota]', "rows_per_day = 5"],
        "li": ["[user.li]"],
    }[name]
    assert lines_of(text) == [line for line in lines_of(FILE) if line not in theirs]


@pytest.mark.parametrize(
    "text",
    [
        'user.zhang.allow = ["demo"]\nuser.li.allow = []\n[access]\nallow = ["demo"]\n',
        '[user]\nzhang = { allow = ["demo"] }\nli = { allow = [] }\n',
        "[user.zhang]\nblock = []\n[user.li]\nallow = []\n[user.zhang.quota]\nrows_per_day = 1\n",
        'user = { zhang = {}, li = { allow = [] } }\n[access]\nallow = ["demo"]\n',
    ],
)
def test_however_a_user_is_written_it_can_be_removed(text: str) -> None:
    wanted = tomllib.loads(text)
    del wanted["user"]["zhang"]
    amendment = Amendment(text)
    assert amendment.has_user("zhang")
    amendment.remove_user("zhang")
    assert not amendment.has_user("zhang")
    assert tomllib.loads(amendment.pack()) == wanted


def test_a_change_takes_the_place_of_the_file_with_its_mode_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "ksrpc.toml"
    path.write_text(FILE)
    path.chmod(0o640)
    link = tmp_path / "link.toml"
    link.symlink_to(path)
    with amending(link) as amendment:
        amendment.user("zhao")
    assert link.is_symlink()
    assert "[user.zhao]" in path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert set(tmp_path.iterdir()) == {path, link}


@pytest.mark.parametrize(
    ("allow", "reason"), [(["os"], "'os' is not opened by access.allow"), (["demo.a b"], "dotted path")]
)
def test_what_cannot_be_changes_nothing(tmp_path: Path, allow: list[str], reason: str) -> None:
    path = tmp_path / "ksrpc.toml"
    path.write_text(FILE)
    before = path.stat()
    with pytest.raises(ConfigError, match=reason) as told, amending(path) as amendment:
        amendment.user("zhao")["allow"] = allow
    assert "ksrpc.toml" in str(told.value)
    assert path.read_text() == FILE
    assert path.stat().st_ino == before.st_ino
    assert list(tmp_path.iterdir()) == [path]


def test_a_change_of_somebody_else_is_not_lost(tmp_path: Path) -> None:
    path = tmp_path / "ksrpc.toml"
    path.write_text(FILE)
    with pytest.raises(ConfigError, match="changed by somebody else"), amending(path):
        path.write_text("# mine\n")
    assert path.read_text() == "# mine\n"


def test_changes_at_the_same_time_are_all_there_in_the_end(tmp_path: Path) -> None:
    path = tmp_path / "ksrpc.toml"
    path.write_text("")

    def add(name: str) -> None:
        with amending(path) as amendment:
            amendment.user(name)

    threads = [threading.Thread(target=add, args=(f"u{number}",)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(tomllib.loads(path.read_text())["user"]) == {f"u{number}" for number in range(8)}
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_is_broken_already_is_told(tmp_path: Path) -> None:
    path = tmp_path / "ksrpc.toml"
    path.write_text("[server\n")
    with pytest.raises(ConfigError, match="line 1"), amending(path):
        pass
    with pytest.raises(ConfigError, match="ksrpc init"), amending(tmp_path / "nosuch.toml"):
        pass

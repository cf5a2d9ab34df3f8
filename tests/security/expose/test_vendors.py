"""Data functions of vendors are open, what logs in or trades is not: on the names that the real packages have."""

from __future__ import annotations

from pathlib import Path

import pytest

from ksrpc.errors import ForbiddenError, RefusedError
from ksrpc.expose import Resolver, Surface, load_presets
from ksrpc.model import Rules

VENDORS = {root: preset for root, preset in load_presets().items() if preset.kind == "vendor"}
#: Names that the packages show, by a walk over the versions that the presets name; public callables of the top level.
NAMES = {path.stem: path.read_text("utf-8").split() for path in Path(__file__).with_name("vendors").glob("*.txt")}
LEAST_OPEN = {
    "akshare": 1084,
    "baostock": 26,
    "efinance": 38,
    "jqdatasdk": 70,
    "rqdatac": 124,
    "tushare": 110,
    "yfinance": 14,
}


def is_open(path: str, rules: Rules) -> bool:
    """Ask gate A."""
    try:
        Surface(rules).check(path)
    except RefusedError:
        return False
    return True


@pytest.mark.parametrize("root", sorted(VENDORS))
def test_every_name_is_data_session_trade_or_closed(root: str) -> None:
    """What is closed is on the list, and nothing of the list is stale."""
    surface = Surface(Rules(allow=(root,)))
    closed = set()
    for name in NAMES[root]:
        try:
            surface.check(f"{root}.{name}")
        except ForbiddenError:
            closed.add(f"{root}.{name}")
    assert len(NAMES[root]) - len(closed) >= LEAST_OPEN[root]
    assert closed == VENDORS[root].closed.keys()


@pytest.mark.parametrize("root", sorted(VENDORS))
def test_nothing_opens_the_session(root: str) -> None:
    """Not the very path, not the right to trade."""
    session = [path for path, closed in VENDORS[root].closed.items() if closed.list == "session"]
    for path in session:
        assert not is_open(path, Rules(allow=(root, path), trade=("*",)))
        assert not is_open(f"{path}.now", Rules(allow=(root, path), trade=("*",)))
        assert is_open(path, Rules(allow=(path,), unsafe=(root,)))


def test_trading_needs_the_right() -> None:
    """It is the user's, and a general pattern is enough with it."""
    assert not is_open("tushare.TraderAPI", Rules(allow=("tushare", "tushare.TraderAPI")))
    assert is_open("tushare.TraderAPI", Rules(allow=("tushare",), trade=("*",)))
    assert is_open("tushare.TraderAPI", Rules(allow=("tushare",), trade=("tushare",)))
    assert not is_open("tushare.TraderAPI", Rules(allow=("tushare",), trade=("other",)))


@pytest.mark.parametrize("name", ["order", "order_value", "buy", "sell_all", "cancel_order", "transfer", "trade"])
def test_trading_by_name_in_packages_that_nobody_reviewed(name: str) -> None:
    """It needs both: a pattern that names it, and the right. A file of the administrator's needs the pattern."""
    path, trade = f"broker.{name}", ("*",)
    assert not is_open(path, Rules(allow=("broker",)))
    assert not is_open(path, Rules(allow=("broker",), trade=trade))
    assert not is_open(path, Rules(allow=("broker", path)))
    assert is_open(path, Rules(allow=("broker", path), trade=trade))
    assert not is_open(path, Rules(allow=("broker",), files=("broker",)))
    assert is_open(path, Rules(allow=("broker", path), files=("broker",)))


@pytest.mark.parametrize("name", ["orders_of_day", "sellers", "trade_cal", "buyback", "get_order_future_bar"])
def test_names_of_data_are_no_trading(name: str) -> None:
    """Only whole words count."""
    assert is_open(f"broker.{name}", Rules(allow=("broker",)))


BAOSTOCK = """
def login(user_id="anonymous", password="123456"):
    return 1
def logout():
    return 1
def query_all_stock(day=None):
    return [1, 2]
enter = login
class Session:
    leave = staticmethod(logout)
"""


def test_another_name_of_the_session_is_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By identity: in the same module, in a class, in another package of the vendor's."""
    (tmp_path / "baostock").mkdir()
    (tmp_path / "baostock" / "__init__.py").write_text(BAOSTOCK, "utf-8")
    (tmp_path / "baostock" / "more.py").write_text("from baostock import login as fetch\n", "utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    resolver = Resolver(Rules(allow=("baostock", "baostock.more.fetch"), trade=("*",)))
    assert resolver.resolve("baostock.query_all_stock").object() == [1, 2]
    for path, rule in {"login": "A3", "enter": "B14", "more.fetch": "B14"}.items():
        with pytest.raises(ForbiddenError) as caught:
            resolver.resolve(f"baostock.{path}")
        assert caught.value.rule == rule, path
    with pytest.raises(ForbiddenError):
        resolver.resolve("baostock.Session.leave")

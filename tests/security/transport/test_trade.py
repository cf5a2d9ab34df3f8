"""Who may trade: users whose section says so, over every transport, and only while it does."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import ksrpc
from ksrpc.errors import ForbiddenError
from tests.helpers.server import GatewayProcess
from tests.security.transport.conftest import install_traps

CONFIG = """
[server]
port = 0
[call]
enabled = true
[access]
allow = ["tushare", "broker", "broker.order"]
[user.trader]
trade = true
[user.reader]
"""
TUSHARE = """
def trade_cal(exchange=""):
    return ["20240102"]
def set_token(token):
    return token
def TraderAPI(broker="sim"):
    return "traded"
"""


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[GatewayProcess, dict[str, str]]]:
    """Run a gateway with a stand-in of a vendor, and a broker that nobody reviewed."""
    folder = tmp_path_factory.mktemp("desk")
    python = install_traps(folder / "venv", folder)
    site = next((folder / "venv" / "lib").glob("python*/site-packages"))
    (site / "tushare.py").write_text(TUSHARE, "utf-8")
    (site / "broker.py").write_text("def order(code):\n    return code\ndef sell(code):\n    return code\n", "utf-8")
    home = folder / "home"
    home.mkdir()
    with GatewayProcess(home, CONFIG, python=[python]) as gateway:
        yield gateway, {name: gateway.create_token(name) for name in ("trader", "reader")}


@pytest.mark.parametrize("transport", ["http", "websocket"])
def test_trade(desk: tuple[GatewayProcess, dict[str, str]], transport: str) -> None:
    """The one may, the other may not; nobody may set the token."""
    gateway, tokens = desk
    url = gateway.url if transport == "http" else gateway.ws_url
    with ksrpc.connect(url, token=tokens["trader"]) as trader, ksrpc.connect(url, token=tokens["reader"]) as reader:
        assert trader.module("tushare").TraderAPI() == "traded"
        assert trader.module("broker").order("000001.SZ") == "000001.SZ"
        for gateway_of in (trader, reader):
            assert gateway_of.module("tushare").trade_cal() == ["20240102"]
            with pytest.raises(ForbiddenError, match="sets or reads the token"):
                gateway_of.module("tushare").set_token("x")
            with pytest.raises(ForbiddenError):
                gateway_of.module("broker").sell("000001.SZ")
        with pytest.raises(ForbiddenError, match="trade = true"):
            reader.module("tushare").TraderAPI()
        with pytest.raises(ForbiddenError, match="trade = true"):
            reader.module("broker").order("000001.SZ")

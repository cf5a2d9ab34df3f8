"""The page /docs: what it may load, what it lists, and how it looks and works in a real browser."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.helpers.browser import NEEDS, Browser, browse, is_installed
from tests.helpers.server import ROOT, GatewayProcess
from tests.integration.exchange import Reply, ask

FOLDER = ROOT / "src" / "ksrpc" / "server" / "static"
TABLES = """
[server]
port = 0
[call]
enabled = true
[access]
anonymous = true
allow = ["demo", "math.pow", "math.gcd", "math.pi", "math.nan", "shop", "ksrpc_not_installed"]
block = ["demo.blob"]
[module.shop]
path = "shop.py"
"""
SHOP = '''
"""A module with <b>markup</b> in its texts."""

import pandas as pd


def label(text: str = "<img src=x onerror=alert(1)>") -> str:
    """Return <script>document.title = "owned"</script> what came in."""
    return text


def wide(rows: int) -> pd.DataFrame:
    """Return a table with two index levels and columns of any name."""
    index = pd.MultiIndex.from_product([["a"], range(rows)], names=["<i>who</i>", None])
    return pd.DataFrame({"<u>n</u>": [2**53 + 1] * rows, "x": [8.0] * rows, "none": [None] * rows}, index=index)


def only(first, /, second: int, *more, third: "list[int]", fourth=4, **rest):
    """Take parameters of every kind."""
    return [first, second, list(more), third, fourth, rest]
'''


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    """Run a gateway with a module whose texts try to be markup."""
    folder = tmp_path_factory.mktemp("shop")
    (folder / "shop.py").write_text(SHOP, encoding="utf-8")
    with GatewayProcess(folder, TABLES) as process:
        yield process


def policy(reply: Reply) -> dict[str, str]:
    """Read the content security policy of an answer."""
    parts = [part.split(maxsplit=1) for part in reply.headers["content-security-policy"].split(";")]
    return {words[0]: words[1] for words in parts}


@pytest.mark.parametrize("name", ["", *(f"/{path.name}" for path in FOLDER.iterdir() if path.suffix != ".html")])
def test_every_file_is_served_with_its_type_and_a_strict_policy(shop: GatewayProcess, name: str) -> None:
    reply = ask(shop, "GET", f"/docs{name}")
    kinds = {"": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
    assert (reply.status, reply.media_type) == (200, kinds[Path(name).suffix])
    assert reply.body == (FOLDER / (name[1:] or "page.html")).read_bytes()
    told = policy(reply)
    assert told.pop("default-src") == told.pop("form-action") == told.pop("frame-ancestors") == "'none'"
    assert told.pop("base-uri") == "'none'"
    assert told.pop("require-trusted-types-for") == "'script'"
    assert set(told.values()) == {"'self'"}
    assert reply.headers["x-content-type-options"] == "nosniff"
    assert reply.headers["referrer-policy"] == "no-referrer"
    assert ask(shop, "HEAD", f"/docs{name}").status == 200
    assert ask(shop, "POST", f"/docs{name}", b"{}").status == 405


def test_the_page_needs_nothing_from_elsewhere_and_nothing_inline() -> None:
    page = (FOLDER / "page.html").read_text(encoding="utf-8")
    assert not re.search(r"<style|\sstyle=|\son\w+=|javascript:", page)
    assert re.findall(r"<script([^>]*)>(.*?)</script>", page) == [(' type="module" src="docs/page.js"', "")]
    for path in FOLDER.iterdir():
        text = path.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
        assert "//" not in re.sub(r"^\s*//.*|[^:]// .*$", "", text, flags=re.MULTILINE), path.name
        assert not re.search(r"innerHTML|outerHTML|insertAdjacent|document\.write|\beval\b|Storage|cookie", text)


def test_every_label_of_the_page_exists_in_both_languages() -> None:
    page = (FOLDER / "page.html").read_text(encoding="utf-8")
    script = (FOLDER / "text.js").read_text(encoding="utf-8")
    english, chinese = (set(re.findall(r"^  (\w+):", part, re.MULTILINE)) for part in script.split("const CHINESE"))
    used = set(re.findall(r'data-(?:text|label|placeholder)="(\w+)"', page))
    used |= {name for path in FOLDER.glob("*.js") for name in re.findall(r"\btext\.(\w+)", path.read_text())}
    assert english == chinese
    assert used - {"js"} == english


def test_the_list_names_what_is_open_and_says_what_is_not_there(shop: GatewayProcess) -> None:
    told = ask(shop, "GET", "/v1/modules").json()
    assert told["user"] == "anonymous"
    entries = {entry["path"]: entry for entry in told["modules"]}
    assert list(entries) == ["demo", "ksrpc_not_installed", "math.gcd", "math.nan", "math.pi", "math.pow", "shop"]
    assert "div" in entries["demo"]["members"]
    assert "blob" not in entries["demo"]["members"]
    assert (entries["math.pow"]["kind"], entries["math.pow"]["members"]) == ("function", [])
    assert entries["math.pi"]["kind"] == "value"
    assert "not for you" in entries["ksrpc_not_installed"]["error"]
    assert entries["shop"]["members"] == ["label", "only", "wide"]
    assert str(shop.folder) not in json.dumps(told)
    assert ask(shop, "POST", "/v1/modules", b"{}").status == 405


def test_the_list_is_for_whoever_may_call(guarded: GatewayProcess, token: str) -> None:
    assert ask(guarded, "GET", "/v1/modules").problem()["code"] == "unauthorized"
    assert ask(guarded, "GET", "/docs").status == 200
    told = ask(guarded, "GET", "/v1/modules", None, {"Authorization": f"Bearer {token}"}).json()
    assert [entry["path"] for entry in told["modules"]] == ["demo", "math", "numpy"]
    assert told["user"] == "zhang"


def test_the_address_rule_holds_for_the_page(tmp_path: Path) -> None:
    closed = '[server]\nport = 0\n[call]\nenabled = true\n[access]\nip_block = ["loopback"]\n'
    with GatewayProcess(tmp_path, closed) as gateway:
        assert ask(gateway, "GET", "/docs").problem()["code"] == "address"
        assert ask(gateway, "GET", "/v1/modules").problem()["code"] == "address"


def test_without_the_call_service_there_is_no_list(tmp_path: Path) -> None:
    with GatewayProcess(tmp_path, "[server]\nport = 0\n[access]\nanonymous = true\n") as gateway:
        assert "call.enabled" in ask(gateway, "GET", "/v1/modules").problem()["detail"]


# in a browser

in_browser = pytest.mark.skipif(not is_installed(), reason=NEEDS)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """Share one English browser."""
    with browse(tmp_path_factory.mktemp("browser")) as opened:
        yield opened


def visit(browser: Browser, gateway: GatewayProcess, path: str) -> None:
    """Open the page of one function and wait until its form is there."""
    browser.open("about:blank")
    browser.open(f"{gateway.url}/docs#{path}")
    browser.wait("return document.getElementById('path').textContent === arguments[0] && "
                 "!document.getElementById('call').hidden", path)  # fmt: skip


def call(browser: Browser, args: str = "[]", kwargs: str = "{}") -> str:
    """Fill the form in, call, and return the line above the answer."""
    if browser.run("return !document.getElementById('arguments').hidden"):
        browser.type("#args", args)
        browser.type("#kwargs", kwargs)
    browser.click("#run")
    browser.wait("return !document.getElementById('run').disabled && !document.getElementById('result').hidden")
    return browser.text("#outcome")


def cells(browser: Browser) -> list[list[str]]:
    """Read the table."""
    rows: list[list[str]] = browser.run(
        "return [...document.querySelectorAll('#grid tr')].map(row => [...row.cells].map(cell => cell.textContent))"
    )
    return rows


@in_browser
def test_choosing_and_calling_a_function_shows_its_table(browser: Browser, shop: GatewayProcess) -> None:
    browser.open(f"{shop.url}/docs")
    browser.wait("return document.querySelectorAll('#tree a').length > 10")
    browser.click("#tree a[href='#demo.test']")
    browser.wait("return !document.getElementById('call').hidden")
    assert browser.text("#signature") == "test() -> pd.DataFrame"
    assert "daily bars" in browser.text("#doc")
    assert call(browser).endswith("5 rows × 5 columns")
    rows = cells(browser)
    assert rows[0] == ["date", "code", "open", "close", "volume", "halted"]
    assert rows[3][:4] == ["2024-01-04T00:00:00", "000001.SZ", "9.19", "9.2"]
    assert browser.complaints() == []


@in_browser
def test_a_value_an_error_and_a_mistake_are_shown(browser: Browser, shop: GatewayProcess) -> None:
    visit(browser, shop, "demo.div")
    assert json.loads(browser.run("return document.getElementById('kwargs').value")) == {"a": 1, "b": 1}
    assert call(browser, "[1, 4]").startswith("float")
    assert browser.text("#value") == "0.25"
    assert call(browser, "[1, 0]") == "500 ZeroDivisionError"
    assert browser.text("#value") == "division by zero"
    assert call(browser, "{}") == "args"
    assert "list" in browser.text("#value")
    assert call(browser, "[1, ") == "args"
    visit(browser, shop, "math.pi")
    assert call(browser).startswith("float")
    assert browser.text("#value") == "3.141592653589793"
    browser.complaints()


@in_browser
def test_texts_of_the_server_stay_texts_and_numbers_stay_exact(browser: Browser, shop: GatewayProcess) -> None:
    visit(browser, shop, "shop.label")
    assert browser.text("#signature") == "label(text: str = ...) -> str"
    assert '<script>document.title = "owned"</script>' in browser.text("#doc")
    assert call(browser, '["<b>x<img src=y>"]').startswith("str")
    assert browser.text("#value") == "<b>x<img src=y>"
    visit(browser, shop, "shop.wide")
    assert call(browser, "[300]").endswith("300 rows × 3 columns, the first 200 shown")
    rows = cells(browser)
    assert rows[0] == ["<i>who</i>", "", "<u>n</u>", "x", "none"]
    assert rows[2] == ["a", "1", "9007199254740993", "8.0", "null"]
    assert len(rows) == 201
    assert browser.run("return document.title") == "ksrpc"
    assert browser.run("return document.querySelectorAll('main img, main b, main i, main u, main script').length") == 0
    assert browser.complaints() == []


@in_browser
def test_a_signature_of_every_kind_and_both_programs(browser: Browser, shop: GatewayProcess) -> None:
    visit(browser, shop, "shop.only")
    signature = "only(first, /, second: int, *more, third: list[int], fourth=4, **rest)"
    assert browser.text("#signature") == signature
    assert browser.run("return [document.getElementById('args').value, document.getElementById('kwargs').value]") == [
        "[null]", '{ "second": 1, "third": [] }',
    ]  # fmt: skip
    told = '{"third": [9007199254740993, 2.0, null, true, "it\'s 中"], "from": {"a b": false}}'
    assert call(browser, "[1, 2]", told).startswith("list")
    assert json.loads(browser.text("#value"))[3][0] == 2**53 + 1
    curl, python = browser.text("#curl"), browser.text("#python")
    assert f"'{shop.url}/v1/call/shop.only'" in curl
    assert "it'\\''s 中" in curl
    assert "Authorization" not in curl
    assert f'ksrpc.connect("{shop.url}")' in python
    third = '[9007199254740993, 2.0, None, True, "it\'s 中"]'
    assert f'module.only(1, 2, **{{"third": {third}, "from": {{"a b": False}}}})' in python
    compile(python, "page", "exec")
    assert browser.complaints() == []


@in_browser
def test_the_programs_of_the_page_run(browser: Browser, shop: GatewayProcess, tmp_path: Path) -> None:
    import subprocess
    import sys

    from tests.helpers.server import clean_environment

    visit(browser, shop, "demo.echo")
    browser.type("#args", '["it\'s", 2]')
    browser.type("#kwargs", '{"x": null}')
    (tmp_path / "program.py").write_text(browser.text("#python"), encoding="utf-8")
    command = [sys.executable, str(tmp_path / "program.py")]
    done = subprocess.run(command, capture_output=True, text=True, env=clean_environment(), check=True)
    assert done.stdout == "((\"it's\", 2), {'x': None})\n"
    curl = subprocess.run(["bash", "-c", browser.text("#curl")], capture_output=True, check=True)
    assert json.loads(curl.stdout) == [["it's", 2], {"x": None}]
    browser.complaints()


@in_browser
def test_the_token_is_typed_and_kept_nowhere(browser: Browser, guarded: GatewayProcess, token: str) -> None:
    browser.open(f"{guarded.url}/docs")
    browser.wait("return document.getElementById('list-note').textContent.includes('token')")
    assert browser.run("return document.activeElement.id") == "token"
    browser.type("#token", token)
    browser.click("#access button")
    browser.wait("return document.querySelectorAll('#tree a').length > 10")
    assert browser.text("#access-note") == "as zhang"
    browser.click("#tree a[href='#demo.echo']")
    browser.wait("return !document.getElementById('call').hidden")
    assert call(browser, "[7]").startswith("int")
    assert '"Authorization: Bearer $KSRPC_TOKEN"' in browser.text("#curl")
    kept = browser.run("return [JSON.stringify({...localStorage, ...sessionStorage}), document.cookie, location.href,"
                       " document.body.innerText, history.state]")  # fmt: skip
    assert token not in json.dumps(kept)
    browser.open(f"{guarded.url}/docs#demo.echo")
    browser.run("location.reload()")
    browser.wait("return document.getElementById('list-note').textContent.includes('token')")
    assert browser.run("return document.getElementById('token').value") == ""
    browser.complaints()


@in_browser
def test_it_works_by_keyboard_alone(browser: Browser, shop: GatewayProcess) -> None:
    browser.open("about:blank")
    browser.open(f"{shop.url}/docs")
    browser.wait("return document.querySelectorAll('#tree a').length > 10")
    browser.press("/")
    assert browser.run("return document.activeElement.id") == "search"
    for key in "wide":
        browser.press(key)
    assert browser.text("#list-note").startswith("1 of ")
    for _ in range(20):
        browser.press("\ue004")
        if browser.run("return document.activeElement.tagName") == "A":
            break
    assert browser.run("return document.activeElement.textContent") == "wide"
    browser.press("\ue007")
    browser.wait("return !document.getElementById('call').hidden")
    browser.run("document.getElementById('kwargs').focus()")
    browser.press("\ue009", "\ue007")
    browser.wait("return !document.getElementById('grid').hidden")
    assert cells(browser)[1][2] == "9007199254740993"
    ring = browser.run("return getComputedStyle(document.activeElement).outlineStyle")
    assert ring == "solid"


@in_browser
def test_a_call_can_be_stopped(browser: Browser, shop: GatewayProcess) -> None:
    visit(browser, shop, "demo.async_sleep")
    browser.type("#args", "[50]")
    browser.type("#kwargs", "{}")
    browser.click("#run")
    browser.wait("return !document.getElementById('stop').disabled")
    browser.click("#stop")
    browser.wait("return document.getElementById('outcome').textContent === 'Stopped'")
    assert browser.run("return document.getElementById('stop').disabled") is True
    browser.complaints()


def contrast(first: str, second: str) -> float:
    """Return the contrast of two colours as the browser tells them: WCAG 2.2, relative luminance."""

    def luminance(colour: str) -> float:
        parts = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
        red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    low, high = sorted((luminance(first), luminance(second)))
    return (high + 0.05) / (low + 0.05)


@in_browser
def test_both_themes_can_be_read(browser: Browser, shop: GatewayProcess, tmp_path: Path) -> None:
    visit(browser, shop, "demo.div")
    call(browser, "[1, 0]")
    script = """
      const colour = (css, name) => {
        let node = document.querySelector(css), found = getComputedStyle(node)[name];
        while (name === "backgroundColor" && found === "rgba(0, 0, 0, 0)") {
          node = node.parentElement; found = getComputedStyle(node)[name];
        }
        return found;
      };
      return arguments[0].map(css => [colour(css, "color"), colour(css, "backgroundColor")]);
    """
    parts = ["#doc", "#outcome", "#value", "#signature", "#call small", "#run", "#tree a[aria-current]", "#curl", "h1"]
    seen = []
    for theme in ("light", "dark"):
        browser.use_theme(theme)
        pairs = browser.run(script, parts)
        seen.append(pairs)
        assert {part: ratio for part, pair in zip(parts, pairs, strict=True) if (ratio := contrast(*pair)) < 4.5} == {}
        browser.screenshot(tmp_path / f"{theme}.png")
    assert seen[0] != seen[1]
    browser.complaints()


@in_browser
def test_it_speaks_chinese_to_chinese_readers(shop: GatewayProcess, tmp_path: Path) -> None:
    with browse(tmp_path, language="zh-CN") as chinese:
        visit(chinese, shop, "demo.test")
        assert chinese.run("return document.documentElement.lang") == "zh-CN"
        assert chinese.text("#run") == "调用"
        assert chinese.text("#kind") == "函数"
        assert call(chinese).endswith("5 行 × 5 列")

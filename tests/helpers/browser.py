"""Drive a headless Chromium over the WebDriver protocol, with nothing but the standard library.

Source: https://www.w3.org/TR/webdriver2/
"""

from __future__ import annotations

import base64
import http.client
import json
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

NEEDS = "chromium and chromedriver are not installed (Debian: apt-get install chromium chromium-driver)"
_ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
_FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
          "--disable-background-networking", "--disable-component-update", "--disable-sync",
          "--disable-dev-shm-usage", "--window-size=1280,900"]  # fmt: skip


class BrowserError(RuntimeError):
    """Say what the driver refused."""


def is_installed() -> bool:
    """Tell whether browser and driver are there."""
    return bool(_find_chromium() and shutil.which("chromedriver"))


def _find_chromium() -> str | None:
    return shutil.which("chromium") or shutil.which("google-chrome") or shutil.which("chromium-browser")


class Browser:
    """Look at pages, type and click as a reader does."""

    def __init__(self, port: int, session: str) -> None:
        self._port = port
        self._session = session

    def open(self, url: str) -> None:
        """Go to an address and wait for its page."""
        self._tell("url", {"url": url})

    def run(self, script: str, *args: Any) -> Any:
        """Run a function body in the page and return its value."""
        return self._tell("execute/sync", {"script": script, "args": list(args)})

    def text(self, css: str) -> str:
        """Return what a reader sees of the first element that matches."""
        return str(self._ask(f"element/{self._find(css)}/text"))

    def click(self, css: str) -> None:
        """Click where a reader would."""
        self._tell(f"element/{self._find(css)}/click", {})

    def type(self, css: str, text: str) -> None:
        """Replace what stands in a field."""
        element = self._find(css)
        self._tell(f"element/{element}/clear", {})
        self._tell(f"element/{element}/value", {"text": text})

    def press(self, *keys: str) -> None:
        """Press keys, held together, wherever the focus is; a key is a letter or WebDriver's code for it."""
        steps = [{"type": "keyDown", "value": key} for key in keys]
        steps += [{"type": "keyUp", "value": key} for key in reversed(keys)]
        self._tell("actions", {"actions": [{"type": "key", "id": "keys", "actions": steps}]})

    def use_theme(self, name: str) -> None:
        """Prefer "light" or "dark" from now on."""
        features = [{"name": "prefers-color-scheme", "value": name}]
        self._tell("goog/cdp/execute", {"cmd": "Emulation.setEmulatedMedia", "params": {"features": features}})

    def wait(self, script: str, *args: Any, within_s: float = 20.0) -> Any:
        """Return the value of a function body as soon as it is true.

        Raises:
            BrowserError: It was not within the time.
        """
        end = time.monotonic() + within_s
        while not (value := self.run(script, *args)):
            if time.monotonic() > end:
                raise BrowserError(f"not within {within_s} s: {script}\n{self.run('return document.body.innerText')}")
        return value

    def complaints(self) -> list[str]:
        """Return what the page has written to the console since the last look, refused loads included."""
        return [str(entry["message"]) for entry in self._tell("se/log", {"type": "browser"})]

    def screenshot(self, path: Path) -> None:
        """Save what is seen as PNG."""
        path.write_bytes(base64.b64decode(self._ask("screenshot")))

    def _find(self, css: str) -> str:
        return str(self._tell("element", {"using": "css selector", "value": css})[_ELEMENT])

    def _ask(self, command: str) -> Any:
        return _exchange(self._port, "GET", f"/session/{self._session}/{command}")

    def _tell(self, command: str, told: dict[str, Any]) -> Any:
        return _exchange(self._port, "POST", f"/session/{self._session}/{command}", told)


@contextmanager
def browse(folder: Path, *, language: str = "en-US") -> Iterator[Browser]:
    """Start a browser with an empty profile in `folder` and end it afterwards.

    Raises:
        BrowserError: It does not start.
    """
    port = _free_port()
    driver = subprocess.Popen(
        ["chromedriver", f"--port={port}", f"--log-path={folder / 'driver.log'}"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _await_driver(port, driver)
        session = _exchange(port, "POST", "/session", _capabilities(folder, language))["sessionId"]
        try:
            yield Browser(port, session)
        finally:
            with suppress(BrowserError, OSError):
                _exchange(port, "DELETE", f"/session/{session}")
    finally:
        driver.terminate()
        driver.wait(10)


def _capabilities(folder: Path, language: str) -> dict[str, Any]:
    flags = [*_FLAGS, f"--user-data-dir={folder / 'profile'}", f"--lang={language}", f"--accept-lang={language}"]
    options = {
        "binary": _find_chromium(),
        "args": flags,
        "prefs": {"intl.accept_languages": language},
    }
    wanted = {"browserName": "chrome", "goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}
    return {"capabilities": {"alwaysMatch": wanted}}


def _await_driver(port: int, driver: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + 20
    while driver.poll() is None and time.monotonic() < end:
        with suppress(OSError):
            if _exchange(port, "GET", "/status")["ready"]:
                return
    raise BrowserError("chromedriver does not start")


def _exchange(port: int, method: str, path: str, told: dict[str, Any] | None = None) -> Any:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        body = None if told is None else json.dumps(told)
        connection.request(method, path, body, {"Content-Type": "application/json"})
        value = json.loads(connection.getresponse().read())["value"]
    finally:
        connection.close()
    if isinstance(value, dict) and "error" in value:
        raise BrowserError(f"{value['error']}: {value['message'].splitlines()[0]}")
    return value


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])

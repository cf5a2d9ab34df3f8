"""A real Jupyter kernel, driven as a notebook drives it: cells, interrupts, completion."""

from __future__ import annotations

import queue
import tempfile
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, NamedTuple, Self

from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import KernelManager

_POLL_S = 0.2


class Cell(NamedTuple):
    """Hold what the notebook shows under a cell.

    Attributes:
        status: "ok" or "error".
        text: What was printed, on both streams.
        value: The last expression's value as text; empty if there is none.
        error: The exception's class; empty if there is none.
        shown: What was displayed as rich output, data by media type, updates of it included.
    """

    status: str
    text: str
    value: str
    error: str
    shown: list[dict[str, Any]]


class Kernel:
    """Start a kernel process and stop it at the end: `with Kernel(env) as kernel: kernel.run("1 + 1")`."""

    def __init__(self, env: Mapping[str, str], *, within_s: float = 40.0) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="kernel")  # short, for the names of its sockets are bounded
        self._manager = KernelManager(transport="ipc", ip=f"{self._folder.name}/k")  # no port that others may take
        self._manager.connection_file = f"{self._folder.name}/kernel.json"
        self._env = {**env, "IPYTHONDIR": self._folder.name, "JUPYTER_RUNTIME_DIR": self._folder.name}
        self._within_s = within_s
        self._client: BlockingKernelClient | None = None

    def __enter__(self) -> Self:
        self._manager.start_kernel(env=self._env)
        self._client = self._manager.client()
        self._client.start_channels()
        self._client.wait_for_ready(timeout=self._within_s)
        return self

    def __exit__(self, cls: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None) -> None:
        if self._client is not None:
            self._client.stop_channels()
        self._manager.shutdown_kernel(now=True)
        self._manager.context.destroy(linger=0)
        self._folder.cleanup()

    @property
    def client(self) -> BlockingKernelClient:
        """Give the channels of the running kernel."""
        if self._client is None:
            raise RuntimeError("the kernel was not started")
        return self._client

    def interrupt(self) -> None:
        """Do what the notebook's stop button does: SIGINT.

        The handler of ipykernel does not wake a loop that waits for nothing but what it awaits; a message does.
        """
        self._manager.interrupt_kernel()
        self.client.kernel_info()

    def complete(self, code: str) -> list[str]:
        """Return what the Tab key offers at the end of this text.

        Raises:
            queue.Empty: No answer within the time.
        """
        reply = self.client.complete(code, reply=True, timeout=self._within_s)
        return list(reply["content"]["matches"])

    def run(self, code: str, *, meanwhile: Callable[[], bool] = lambda: True) -> Cell:
        """Run a cell to its end.

        Args:
            code: The cell.
            meanwhile: Called again and again while the cell runs, until it returns True.

        Raises:
            TimeoutError: It did not end within the time.
        """
        asked = self.client.execute(code, allow_stdin=False)
        end, is_done = time.monotonic() + self._within_s, False
        said: list[dict[str, Any]] = []
        while time.monotonic() < end:
            is_done = is_done or meanwhile()
            try:
                message = self.client.get_iopub_msg(timeout=_POLL_S)
            except queue.Empty:
                continue
            if message["parent_header"].get("msg_id") != asked:
                continue
            said.append(message)
            if message["msg_type"] == "status" and message["content"]["execution_state"] == "idle":
                return _read_cell(said)
        raise TimeoutError(f"the cell did not end; it said: {said}")


def _read_cell(said: list[dict[str, Any]]) -> Cell:
    def contents(*kinds: str) -> list[dict[str, Any]]:
        return [message["content"] for message in said if message["msg_type"] in kinds]

    errors = contents("error")
    return Cell(
        status="error" if errors else "ok",
        text="".join(content["text"] for content in contents("stream")),
        value="".join(content["data"]["text/plain"] for content in contents("execute_result")),
        error=errors[0]["ename"] if errors else "",
        shown=[content["data"] for content in contents("display_data", "update_display_data")],
    )

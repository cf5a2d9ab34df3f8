"""Run a Python block as a notebook cell would: `python play.py FILE`; `await` may stand at the top level."""

import ast
import asyncio
import inspect
import sys
from pathlib import Path


def main(path: str) -> None:
    """Execute the file, inside a running loop if it awaits at the top level."""
    code = compile(Path(path).read_text(encoding="utf-8"), path, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    names = {"__name__": "__main__"}
    if code.co_flags & inspect.CO_COROUTINE:
        asyncio.run(eval(code, names))
    else:
        exec(code, names)


if __name__ == "__main__":
    main(sys.argv[1])

"""A module whose objects are kept on the server, and the configuration that lists them."""

from __future__ import annotations

from pathlib import Path

MODULE = '''
"""Objects to keep."""
import asyncio, gc, os, weakref

LIVE, LEFT, MADE = weakref.WeakSet(), [], []

class Orders:
    """What was ordered."""
    def __init__(self, names):
        self.names = names
        LIVE.add(self)
    def first(self): return self.names[0]
    def all(self): return {"names": self.names, "rows": [1, 2, 3]}

class Account:
    """An account."""
    kind = "cash"
    def __init__(self, name, password="hush"):
        self.name, self.password, self.raw = name, password, object()
        LIVE.add(self)
        MADE.append(name)
    def balance(self, currency="CNY"):
        """Tell the balance."""
        return (self.name, currency)
    def fail(self): raise ValueError("no " + self.name)
    def orders(self): return Orders([self.name, "b"])
    def many(self, n): yield from range(n)
    async def wait(self):
        await asyncio.sleep(0)
        return self.name
    async def hang(self): await asyncio.Event().wait()
    def pid(self): return os.getpid()
    def end(self): os._exit(1)
    def read(self, path): return path
    def rows(self, n): return list(range(n))
    def hidden(self): return 1
    @property
    def shown(self): return self.name.upper()
    def __enter__(self): return self
    def __exit__(self, cls, error, tb):
        LEFT.append([self.name, cls.__name__ if cls else "", str(error) if error else ""])
        return cls is KeyError
    def __call__(self): return "called"

class Pool:
    def __init__(self): LIVE.add(self)
    def __enter__(self): return 7
    def __exit__(self, *told): return None

class Later:
    def __init__(self): LIVE.add(self)
    async def __aenter__(self): return self
    async def __aexit__(self, *told): LEFT.append(["later", "", ""])
    async def name(self): return "later"

class Unlisted:
    pass

def open_account(name): return Account(name)
async def aopen_account(name): return Account(name)
def unlisted(): return Unlisted()
def inside(): return {"held": [1, Account("x")]}
def table(): return {"a": [1, {"b": 2}]}
def left(name): return [told for told in LEFT if told[0] == name]
def made(name): return MADE.count(name)
def live():
    gc.collect()
    return len(LIVE)
async def alive():
    gc.collect()
    return len(LIVE)
'''

_CLASSES = """
[module.{name}.handles.Account]
methods = ["balance", "fail", "orders", "many", "wait", "hang", "pid", "end", "read", "rows"]
attributes = ["name", "kind", "shown", "raw", "password"]
context = true
[module.{name}.handles.Orders]
methods = ["first", "all"]
[module.{name}.handles.Pool]
context = true
[module.{name}.handles.Later]
methods = ["name"]
context = true
"""


def write_modules(folder: Path, *names: str) -> None:
    """Write the module under each name into the folder of modules."""
    (folder / "server").mkdir(parents=True, exist_ok=True)
    for name in names:
        file = folder / "server" / f"{name}.py"
        file.write_text(MODULE, encoding="utf-8")
        file.chmod(0o600)


def listed(*names: str) -> str:
    """Return the tables that list the module's classes, under each name."""
    return "".join(_CLASSES.format(name=name) for name in names)

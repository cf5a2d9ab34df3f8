"""A module file full of things that no caller may ever see; each of them holds `MARK`, its folder's name holds `PLACE`.

The file is text here, written to disk by the tests: it is served, never a part of the tests themselves.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator

MARK = "c4n4rybird"
PLACE = "pl4ceofvault"
#: The file's name in `sys.modules` of a worker, for attacks that guess it.
NAME = "vault"

HELPER = '''
"""The vault's own helper: c4n4rybird."""
SHARED_TOKEN = "c4n4rybird-shared"


def _lookup(key):
    # c4n4rybird: how it is looked up
    return {"a": 1}[key]


def refuse():
    return _lookup(SHARED_TOKEN)
'''

VAULT = '''
"""A file of functions whose code is nobody's business."""
# c4n4rybird: a comment
import contextlib, dataclasses, enum, functools, importlib.util, inspect, io, json, logging, operator, os
import subprocess, sys, types, warnings, weakref
from pathlib import Path

import numpy as np
import pandas as pd

_spec = importlib.util.spec_from_file_location("vault_helper", Path(__file__).with_name("vault_helper.py"))
vault_helper = importlib.util.module_from_spec(_spec)
sys.modules["vault_helper"] = vault_helper
_spec.loader.exec_module(vault_helper)

_API_KEY = "c4n4rybird-key"
SECRET = "c4n4rybird-secret"
PUBLIC_TEXT = "c4n4rybird-public"
WEIGHTS = ["c4n4rybird-list", 0.5]
TABLE = {"c4n4rybird-dict": "c4n4rybird-value"}
FRAME = pd.DataFrame({"c4n4rybird": ["c4n4rybird"]})
ARRAY = np.array(["c4n4rybird"])
RAW = b"c4n4rybird"
HERE = __file__
FOLDER = os.path.dirname(__file__)
PLACE = Path(__file__)
STREAM = io.StringIO("c4n4rybird")
BOUND = functools.partial(len, "c4n4rybird")
GETTER = operator.attrgetter("__code__")
log = logging.getLogger("c4n4rybird")


def _private_helper(value="c4n4rybird"):
    """Know c4n4rybird."""
    return value


def quotes(code="600000", days=2, label="c4n4rybird-default", names=("c4n4rybird",), rate=0.5, empty="", flag=None,
           token="c4n4rybird", where=__file__, typed: "Literal[\\'c4n4rybird\\']" = None
           ) -> "Annotated[int, \\'c4n4rybird\\']":
    """Return a number."""
    inner = "c4n4rybird-local"
    return len(code) * days


def make(secret):
    def closed(days: int = 1):
        """Multiply."""
        return days * len(secret)
    return closed


closed = make("c4n4rybird-closure")


def decorate(function):
    @functools.wraps(function)
    def wrapper(*args, mark="c4n4rybird-wrapper", **kwargs):
        return function(*args, **kwargs)
    return wrapper


@decorate
def wrapped(days=1):
    """Return days."""
    return days


@functools.lru_cache
def cached(days=1, text="c4n4rybird"):
    """Return days."""
    return days


@functools.singledispatch
def dispatched(value=0, text="c4n4rybird"):
    """Return a value."""
    return value


@dispatched.register
def _(value: str):
    return "c4n4rybird" and 1


@contextlib.contextmanager
def opened(text="c4n4rybird"):
    """Give a context."""
    yield "c4n4rybird"


partial = functools.partial(quotes, label="c4n4rybird-bound")
anonymous = lambda days=1: len("c4n4rybird") * days


def counted(n=2):
    """Count."""
    hidden = "c4n4rybird-generator"
    yield from range(n)


async def later(days=1):
    """Return days."""
    hidden = "c4n4rybird-coroutine"
    return days


class Model:
    """A class."""
    text = "c4n4rybird-class"

    def __init__(self, weight="c4n4rybird-init"):
        self.weight = weight

    def __getattr__(self, name):
        return "c4n4rybird-getattr"

    @property
    def secret(self):
        return "c4n4rybird-property"

    @classmethod
    def build(cls, text="c4n4rybird"):
        return 1

    @staticmethod
    def plain(text="c4n4rybird"):
        """Return one."""
        return 1

    def method(self, text="c4n4rybird"):
        return 1


class Rows(dict):
    """A mapping."""
    text = "c4n4rybird-rows"
    ratios = ["c4n4rybird"]

    @classmethod
    def build(cls, text="c4n4rybird"):
        """Return one."""
        return 1

    class Inner(dict):
        text = "c4n4rybird-inner"


@dataclasses.dataclass
class Settings:
    """A data class."""
    url: str = "c4n4rybird-url"
    names: list = dataclasses.field(default_factory=lambda: ["c4n4rybird"])


class Colour(enum.Enum):
    """Colours."""
    RED = "c4n4rybird-red"


class Level(str, enum.Enum):
    LOW = "c4n4rybird-low"


model = Model()
settings = Settings()


def __getattr__(name):
    return "c4n4rybird-module-getattr"


class VaultError(ValueError):
    """An error of its own."""

    def __init__(self, text, where):
        super().__init__(text, where)
        self.where = where

    def __str__(self):
        return f"in {self.where}"


def fail_local():
    """Fail with a local variable."""
    local = "c4n4rybird-local"  # c4n4rybird: at the very line
    return 1 / 0, local, "c4n4rybird"


def fail_deep(n=5):
    text = f"c4n4rybird-{n}"
    return fail_deep(n - 1) if n else {}[_API_KEY]


def fail_key():
    return {}[_API_KEY]


def fail_key_bytes():
    return {}[_API_KEY.encode()]


def fail_helper():
    return vault_helper.refuse()


def fail_cause():
    try:
        open(os.path.join(FOLDER, "absent.csv"))
    except OSError as error:
        raise ValueError("no data") from error


def fail_context():
    try:
        return {}[_API_KEY]
    except KeyError:
        return open(__file__ + ".csv")


def fail_note():
    error = ValueError("no data")
    error.add_note(f"see {__file__} with {SECRET}")
    raise error


def fail_syntax():
    exec(compile("value = 'c4n4rybird' c4n4rybird", __file__, "exec"))


def fail_indent():
    exec(compile("if 1:\\nc4n4rybird = 'c4n4rybird'", __file__, "exec"))


def fail_import():
    from vault_helper import absent


def fail_module():
    import vault_absent


def fail_decode():
    return (Path(__file__).read_bytes() + b"\\xff").decode("ascii")


def fail_decode_tail():
    return (Path(__file__).read_bytes() + b"\\xff").decode("utf-8")


def fail_encode():
    return (Path(__file__).read_text() + chr(0xe9)).encode("ascii")


def fail_open():
    return open(os.path.join(FOLDER, "absent.csv"))


def fail_open_elsewhere():
    return open("/pl4ceofvault/absent c4n4rybird.csv".replace("c4n4rybird", ""))


def fail_rename():
    os.rename(os.path.join(FOLDER, "absent"), os.path.join(FOLDER, "other"))


def fail_group():
    raise ExceptionGroup("several", [OSError(2, "no", __file__), KeyError(SECRET), VaultError("x", __file__)])


def fail_args():
    raise ValueError({"where": __file__, "keys": [SECRET, (_API_KEY,)]}, Path(__file__), SECRET.encode(), {SECRET})


def fail_nested():
    raise ValueError(OSError(2, "no", __file__), [KeyError(_API_KEY)])


def fail_array():
    raise ValueError(np.array([SECRET, __file__]), pd.DataFrame({"x": [_API_KEY]}))


def fail_objects():
    raise ValueError(fail_key, fail_key.__code__, sys._getframe(), sys.modules[__name__], model, Model, PLACE)


def fail_own():
    raise VaultError("no data", __file__)


def fail_name():
    return nothing_of_this_name


def fail_attribute():
    return vault_helper.nothing


def fail_assert():
    assert not "c4n4rybird", "no"
    raise AssertionError("no")


def fail_json():
    return json.loads("{c4n4rybird")


def fail_exit():
    sys.exit(f"{__file__}: {SECRET}")


def fail_command():
    raise subprocess.CalledProcessError(1, ["cat", __file__], output=SECRET.encode())


def fail_long():
    raise ValueError("x" * 100_000 + __file__ + SECRET)


def fail_many():
    raise ValueError(*[__file__] * 3000, [SECRET] * 3000)


def fail_uri():
    raise ValueError(PLACE.as_uri(), f"path={__file__}", f"'{__file__}'", f"{__file__}:12", repr(PLACE), [repr(SECRET)])


def fail_with(value="", more=""):
    raise ValueError(value, f"{__file__} {more}")


def fail_recursion():
    text = "c4n4rybird"
    return fail_recursion()


def fail_loudly():
    warnings.warn("c4n4rybird", stacklevel=1)
    print("c4n4rybird", file=sys.stderr)
    log.error("c4n4rybird", stack_info=True)
    raise ValueError("no data")


async def fail_later():
    hidden = "c4n4rybird"
    return {}[_API_KEY]


def fail_midway():
    yield 1
    yield {}[_API_KEY]


def give_function():
    return _private_helper


def give_lambda():
    return lambda: "c4n4rybird"


def give_partial():
    return BOUND


def give_code():
    return _private_helper.__code__


def give_frame():
    return sys._getframe()


def give_traceback():
    try:
        fail_key()
    except KeyError as error:
        return error.__traceback__


def give_summary():
    return inspect.signature(_private_helper)


def give_module():
    return sys.modules[__name__]


def give_class():
    return Model


def give_instance():
    return model


def give_settings():
    return settings


def give_colour():
    return Colour.RED


def give_generator():
    return counted()


def give_coroutine():
    made = later()
    made.close()
    return made


def give_file():
    return open(__file__)


def give_globals():
    return globals()


def give_locals():
    hidden = _private_helper
    return locals()


def give_namespace():
    return types.SimpleNamespace(code=_private_helper)


def give_proxy():
    return types.MappingProxyType(globals())


def give_reference():
    return weakref.ref(model)


def give_many():
    return [1, {"inside": [_private_helper]}]


def give_context():
    return opened()


def give_path():
    return Path(__file__)


def give_array():
    return np.array([_private_helper], dtype=object)


def give_table():
    return pd.DataFrame({"x": [_private_helper, model]})
'''


def spellings(text: str) -> Iterator[bytes]:
    """Yield what a text looks like in bytes: plain, in wider characters, in hexadecimal, in base64."""
    plain = text.encode()
    yield plain
    yield from (text.encode(f"utf-16-{order}") for order in ("le", "be"))
    yield from (text.encode(f"utf-32-{order}") for order in ("le", "be"))
    yield plain.hex().encode()
    yield "".join(f"\\u{ord(character):04x}" for character in text).encode()
    yield "".join(f"\\x{ord(character):02x}" for character in text).encode()
    for lead in range(3):
        coded = base64.b64encode(b"\0" * lead + plain)
        yield coded[(lead * 4 + 2) // 3 : len(coded) // 4 * 4 - 4].rstrip(b"=")
    yield plain[::-1]


#: What no answer may hold.
MARKS = tuple(spellings(MARK))
PLACES = (*spellings(PLACE), b"vault.py", b"vault_helper.py")

"""Gate A: what the text of a path decides."""

from __future__ import annotations

import pytest

from ksrpc.errors import ConfigError, ForbiddenError, NotFoundError
from ksrpc.expose import Surface
from ksrpc.model import Rules

RULES = Rules(allow=("math", "os.path", "numpy", "arch.data.sp500", "stall", "os.sep"), block=("stall.closed",))
SURFACE = Surface(RULES)

OPEN = [
    "math",
    "math.pow",
    "os.path",
    "os.path.join",
    "numpy.linalg.norm",
    "numpy.random",
    "arch.data.sp500",
    "arch.data.sp500.load",
    "stall.daily",
    "stall.sub.daily",
    "stall.日线",
    "stall.get_stop_days",
    "stall.trade_cal",
]
#: Nothing above or at these paths is open; nobody learns why.
UNKNOWN = [
    "",
    ".",
    ".math",
    " math",
    "math ",
    "\x00math",
    "math\n",
    "ｍath.pow",
    "mаth.pow",
    "os",
    "os.getcwd",
    "os.pathx",
    "os.path2.join",
    "arch",
    "arch.data",
    "arch.data.sp500x",
    "arch.univariate",
    "sys.exit",
    "subprocess.run",
    "ksrpc.errors",
    "ksrpc_server.demo",
    "__main__.x",
    "builtins.exec",
    "nothing",
    "a" * 10_000_000,
    "x." * 1_000_000,
]
A1 = [
    "math..pow",
    "math.",
    "math. pow",
    "math.pow ",
    "math.pow\n",
    "math.pow\x00",
    "math.p ow",
    "math.pow()",
    "math.1",
    "math.__class__",
    "math.__dict__.x",
    "math._private",
    "numpy.__builtins__",
    "numpy.ｓum",
    "numpy.ﬁx",
    "numpy.su\u0301m",
    "stall.e\u0301",
    "stall.\u202eabc",
    "stall.a\u200db",
    "math." + "a" * 81,
    "math" + ".a" * 8,
    "math." + "a" * 10_000_000,
    "stall.daily.format",
    "stall.daily.mro",
    "stall.daily.register",
    "stall.daily.cache_clear",
    "stall.gives.gi_frame",
    "stall.waits.cr_code",
    "stall.own.func_globals",
    "stall.own.co_code",
    "stall.frame.f_globals",
    "stall.error.tb_frame",
]
A2 = ["stall.closed", "stall.closed.deeper"]
A3 = [
    "math.factorial",
    "math.comb",
    "math.nothing",
    "numpy.load",
    "numpy.save",
    "numpy.empty",
    "numpy.frombuffer",
    "numpy.ndarray",
    "numpy.f2py.os.system",
    "numpy.ma.core.np",
    "numpy.random.seed",
    "numpy.add.at",
    "numpy.sum.outer",
    "numpy.sum.something",
    "numpy.core.multiarray.array",
    "numpy.mаx",
    "os.path.exists",
    "os.path.expanduser",
    "os.path.os.system",
    "stall.utils.daily",
    "stall.test",
    "stall.main",
    "stall.tests.daily",
    "stall.order",
    "stall.order_buy",
    "stall.set_token",
    "stall.logout",
    "stall.delete_all",
    "stall.torder",
    "stall.trade",
]


@pytest.mark.parametrize("path", OPEN)
def test_opens(path: str) -> None:
    """Admit what a pattern and the root's class open."""
    SURFACE.check(path)


@pytest.mark.parametrize("path", UNKNOWN, ids=lambda path: ascii(path[:30]))
def test_unknown_is_one_text(path: str) -> None:
    """Refuse with the constant text, whatever the reason."""
    with pytest.raises(NotFoundError) as caught:
        SURFACE.check(path)
    assert str(caught.value) == NotFoundError.TEXT


@pytest.mark.parametrize(
    ("rule", "path"),
    [(rule, path) for rule, paths in {"A1": A1, "A2": A2, "A3": A3}.items() for path in paths],
    ids=lambda text: ascii(text[:40]),
)
def test_forbids(rule: str, path: str) -> None:
    """Refuse under an open root by the rule that holds."""
    with pytest.raises(ForbiddenError) as caught:
        SURFACE.check(path)
    assert (caught.value.gate, caught.value.rule) == ("A", rule)
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize("path", [None, 7, b"math.pow", ["math"], object()])
def test_only_text_is_a_path(path: object) -> None:
    """Anything but a str is nothing."""
    with pytest.raises(NotFoundError):
        SURFACE.check(path)  # type: ignore[arg-type]


def test_subclass_of_str_is_no_path() -> None:
    """A text that could change its mind between two looks is not looked at."""

    class Text(str):
        __slots__ = ()

    with pytest.raises(NotFoundError):
        SURFACE.check(Text("math.pow"))


def test_acting_names_open_literally() -> None:
    """A pattern that names an acting function opens it; one on its root does not."""
    Surface(Rules(allow=("stall.set_token",))).check("stall.set_token")
    Surface(Rules(allow=("demo",))).check("demo.test")


@pytest.mark.parametrize("root", ["polars", "requests", "scipy", "pyarrow"])
def test_toolkit_without_a_preset_is_closed(root: str) -> None:
    """It opens only where the administrator declares it a service."""
    with pytest.raises(ForbiddenError, match="A3"):
        Surface(Rules(allow=(root,))).check(f"{root}.anything")
    Surface(Rules(allow=(root,), services=(root,))).check(f"{root}.anything")


@pytest.mark.parametrize("root", ["subprocess", "ctypes", "pickle", "inspect", "collections", "typing", "re"])
def test_standard_library_is_closed_but_for_its_lists(root: str) -> None:
    """No declaration but `unsafe` opens it."""
    with pytest.raises(ForbiddenError, match="A3"):
        Surface(Rules(allow=(root,), services=(root,))).check(f"{root}.anything")


def test_unsafe_skips_the_lists_and_keeps_the_text_rules() -> None:
    """A3 does not hold, A1 and A2 do."""
    surface = Surface(Rules(allow=("os",), unsafe=("os",)))
    surface.check("os.getcwd")
    with pytest.raises(ForbiddenError, match="A1"):
        surface.check("os.__dict__")
    with pytest.raises(NotFoundError):
        surface.check("sys.exit")


def test_star_needs_unsafe_and_never_opens_ksrpc() -> None:
    """Everything is everything but this program."""
    with pytest.raises(ConfigError, match="needs unsafe"):
        Surface(Rules(allow=("*",)))
    surface = Surface(Rules(allow=("*",), unsafe=("*",)))
    surface.check("subprocess.run")
    for path in (
        "ksrpc",
        "ksrpc.errors",
        "ksrpc_server.demo",
        "ksrpc_render.render",
        "__main__",
        "__main__.x",
        "",
        " os",
    ):
        with pytest.raises(NotFoundError):
            surface.check(path)
    Surface(Rules(allow=("ksrpc_render",)), served=["ksrpc_render"]).check("ksrpc_render.render")
    for rules in (Rules(allow=("ksrpc_render",)), Rules(allow=("ksrpc_render.render",), unsafe=("ksrpc_render",))):
        with pytest.raises(NotFoundError):
            Surface(rules).check("ksrpc_render.render")
    narrow = Surface(Rules(allow=("*",), unsafe=("os",)))
    narrow.check("os.getcwd")
    with pytest.raises(ForbiddenError, match="A3"):
        narrow.check("subprocess.run")


@pytest.mark.parametrize("pattern", ["", ".", "a.", "a b", "a.*", "_x", "a..b", "a" * 81, "a\n"])
def test_bad_patterns_are_errors(pattern: str) -> None:
    """A rule that could mean something else than it says fails loudly."""
    for rules in (Rules(allow=(pattern,)), Rules(block=(pattern,)), Rules(unsafe=(pattern,))):
        with pytest.raises(ConfigError):
            Surface(rules)


def test_order_and_specificity_do_not_matter() -> None:
    """Block wins over a longer allow pattern, too."""
    surface = Surface(Rules(allow=("numpy", "numpy.linalg.norm"), block=("numpy.linalg",)))
    with pytest.raises(ForbiddenError, match="A2"):
        surface.check("numpy.linalg.norm")
    with pytest.raises(NotFoundError):
        Surface(Rules(allow=("numpy.linalg.norm",), block=("numpy.linalg",))).check("numpy.linalg.norm")


def test_a_closed_name_says_why() -> None:
    """What was reviewed and stays closed gives its reason; a name in no list gives none."""
    surface = Surface(Rules(allow=("pandas",)))
    with pytest.raises(ForbiddenError, match="read_pickle is closed: ") as caught:
        surface.check("pandas.read_pickle")
    assert caught.value.rule == "A3"
    with pytest.raises(ForbiddenError, match=r"is closed, as pandas\.HDFStore is: "):
        surface.check("pandas.HDFStore.select")
    with pytest.raises(ForbiddenError, match="not on the list of what pandas offers here"):
        surface.check("pandas.no_such_name")

"""Attacks on the gates from inside one process: no path leaves its package, nothing closed is imported.

Run again under `python -O` by `test_optimised`, as no gate may rest on an `assert`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ksrpc.errors import ForbiddenError, NotFoundError, RefusedError
from ksrpc.expose import Resolver
from ksrpc.model import Rules

ROOT = Path(__file__).resolve().parents[3]
RESOLVER = Resolver(Rules(allow=("math", "os.path", "numpy", "pandas", "arch", "demo", "json", "datetime")))

ESCAPES = """
numpy.f2py.os.system numpy.f2py numpy.f2py.compile numpy.ma.core.np numpy.ma.core.np.load numpy.lib.format.os.system
numpy.testing.measure numpy.os
numpy.sys.exit numpy.random.os.system numpy.linalg.linalg numpy.ctypeslib.load_library
numpy.lib.npyio.NpzFile numpy._core.multiarray.array numpy.core._internal.ctypes numpy.distutils.exec_command
numpy.test
numpy.show_config numpy.get_include numpy.info numpy.DataSource numpy.memmap numpy.ndarray.tofile
numpy.ndarray.dump numpy.ndarray.dumps numpy.random.default_rng numpy.random.bit_generator numpy.char.add
numpy.polynomial.polynomial.np numpy.fft.helper numpy.sum._implementation numpy.add.types numpy.add.at
numpy.add.reduceat
pandas.io.common.os.getpid pandas.io.common.os.system pandas.io.pickle.pickle.loads pandas.io.parsers.read_csv
pandas.core.common.builtins.exec pandas.core.frame.sys.exit pandas.compat.pickle_compat.loads
pandas.util._print_versions
pandas.testing.assert_frame_equal pandas.api.types
pandas.DataFrame.plot pandas.DataFrame.style pandas.DataFrame.values
pandas.DataFrame.iloc pandas.DataFrame.str pandas.Series.str.upper pandas.Series.dt pandas.DataFrame.to_pickle
pandas.DataFrame.pipe pandas.DataFrame.head.func_globals pandas.util.version pandas.options pandas.describe_option
arch.data.sp500.os.path arch.utility.test arch.test arch.compat.numba arch.univariate.base.np
arch.univariate.base.os arch.bootstrap.base.sys arch.unitroot.unitroot.pd arch.tests arch.setup arch.os
math.pow.gi_frame math.sys os.path.os.system os.path.genericpath.os os.path.sys.exit os.path.genericpath.commonprefix
os.path.posix json.codecs.open json.decoder.scanner json.JSONEncoder json.tool.main json.detect_encoding
datetime.sys.exit datetime.datetime.__class__ datetime.math demo.asyncio.sleep demo.time.sleep demo.Any demo.np demo.pd
demo.TYPE_CHECKING.real demo.annotations
"""
CLOSED_ROOTS = """
os os.system os.getcwd sys sys.exit subprocess.run ctypes.CDLL pickle.loads builtins.exec importlib.import_module
posix.system posixpath.join genericpath.os nt.system _operator.add _io.open io.open marshal.loads runpy.run_path
pty.spawn code.interact socket.socket ksrpc.errors.KsrpcError ksrpc_server.demo.div __main__ __builtins__.exec
_pickle.loads site.os antigravity this scipy.io.loadmat polars.read_csv setuptools.os pip.main
"""


@pytest.mark.parametrize("path", ESCAPES.split())
def test_no_path_leaves_its_package(path: str) -> None:
    """Aliases, sub-modules, private parts, dunders, attributes of objects."""
    with pytest.raises(RefusedError):
        RESOLVER.resolve(path)


@pytest.mark.parametrize("path", CLOSED_ROOTS.split())
def test_closed_roots_do_not_exist(path: str) -> None:
    """They answer as an unknown name does."""
    with pytest.raises(NotFoundError) as caught:
        RESOLVER.resolve(path)
    assert str(caught.value) == NotFoundError.TEXT


@pytest.mark.parametrize(
    "part", sorted({*dir(object), *dir(type), *dir(lambda: 0), "__builtins__", "__loader__", "_x"})
)
@pytest.mark.parametrize("stem", ["math", "math.pow", "numpy.sum", "pandas.DataFrame", "demo.div", "os.path"])
def test_no_private_name_anywhere(stem: str, part: str) -> None:
    """Every dunder of objects, types and functions, below every kind of target."""
    if part.startswith("_") or part == "mro":
        with pytest.raises(ForbiddenError) as caught:
            RESOLVER.resolve(f"{stem}.{part}")
        assert caught.value.rule == "A1"


HAZARD = """
import json, sys
sys.path.insert(0, sys.argv[1])
from ksrpc.errors import ForbiddenError, NotFoundError, RefusedError
from ksrpc.expose import Resolver, Surface
from ksrpc.model import Rules
before = set(sys.modules)
surface = Surface(Rules(allow=("math", "numpy", "witness.daily")))
resolver = Resolver(Rules(allow=("math", "os.path", "shelf")))
seen = {}
for path in json.loads(sys.argv[2]):
    for name, ask in (("surface", surface.check), ("resolver", resolver.resolve)):
        try:
            ask(path)
            seen[name + " " + path[:40]] = "passed"
        except NotFoundError:
            pass
        except ForbiddenError as error:
            if not error.rule:
                seen[name + " " + path[:40]] = "no rule"
for path, args in (("shelf.read", ["/etc/passwd"]), ("shelf.read", ["http://x"]), ("os.path.join", [{1: object()}])):
    target = resolver.resolve(path)
    try:
        target.call_check(tuple(args), {})
        seen[path] = "passed"
    except ForbiddenError as error:
        pass
roots = sorted({name.partition(".")[0] for name in set(sys.modules) - before})
print(json.dumps({"seen": seen, "optimised": sys.flags.optimize, "debug": __debug__, "roots": roots}))
"""
HOSTILE = [
    "witness",
    "witness.value",
    "witness.sub.value",
    "shelf.witness",
    "shelf.sub.value",
    "numpy.f2py.os.system",
    "pandas.io.common.os.getpid",
    "math.__class__",
    "math._x",
    "math..pow",
    ".math",
    "math.",
    "",
    " math",
    "math.p ow",
    "math.pow\x00",
    "math.pow\n",
    "ｍath.pow",
    "math.ｐow",
    "mаth.pow",
    "math.e\u0301",
    "math." + "a" * 81,
    "math" + ".a" * 8,
    "x" * 100_000,
]


@pytest.mark.parametrize("flag", ["", "-O", "-OO"])
def test_optimised(tmp_path: Path, flag: str) -> None:
    """No assert guards a gate, no closed module is imported, and neither numpy nor pandas is for asking."""
    (tmp_path / "witness").mkdir()
    mark = f"import pathlib\npathlib.Path({str(tmp_path / 'mark')!r}).write_text('ran')\nvalue = 1\n"
    (tmp_path / "witness" / "__init__.py").write_text(mark, "utf-8")
    (tmp_path / "witness" / "sub.py").write_text(mark, "utf-8")
    (tmp_path / "shelf").mkdir()
    (tmp_path / "shelf" / "__init__.py").write_text("def read(path): return open(path)\n", "utf-8")
    (tmp_path / "shelf" / "sub.py").write_text(mark, "utf-8")
    command = [sys.executable, *([flag] if flag else []), "-c", HAZARD, str(tmp_path), json.dumps(HOSTILE)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["seen"] == {}
    assert answer["optimised"] == {"": 0, "-O": 1, "-OO": 2}[flag]
    assert not (tmp_path / "mark").exists()
    assert not {"numpy", "pandas", "witness"} & set(answer["roots"])

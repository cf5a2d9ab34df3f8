"""Attacks by path: names that lead out of what is open."""

from __future__ import annotations

from tests.security.attack.case import Attack, table

TRAVERSAL = """
os-system-through-f2py numpy.f2py.os.system A
ctypes-through-ctypeslib numpy.ctypeslib.ctypes.CDLL A
sys-through-numpy numpy.sys.exit A
os-through-random numpy.random.os.system A
os-through-pandas-io pandas.io.common.os.system A
pickle-through-pandas-io pandas.io.pickle.pickle.loads A
builtins-through-pandas-core pandas.core.common.builtins.exec A
sys-through-pandas-core pandas.core.frame.sys.exit A
os-through-posixpath os.path.os.system A
sys-through-posixpath os.path.genericpath.sys.exit A
codecs-through-json json.codecs.open A
loads-through-json-decoder json.decoder.scanner A
sys-through-datetime datetime.sys.exit A
asyncio-through-demo demo.asyncio.create_subprocess_shell A|B
time-through-demo demo.time.sleep A|B
os-through-module bank.os.system A|B
subprocess-through-module bank.subprocess.run A|B
import-through-module bank.import_module A|B
partial-of-a-stranger bank.runner A|B
callable-instance bank.machine A|B
class-of-a-stranger bank.Popen A|B
bound-method-of-instance bank.vault.open A|B
"""
DUNDER = """
class math.__class__ A1
loader math.__loader__.load_module A1
spec math.__spec__.loader A1
builtins demo.__builtins__.exec A1
globals demo.echo.__globals__ A1
code demo.echo.__code__ A1
closure demo.echo.__closure__ A1
defaults demo.echo.__kwdefaults__ A1
subclasses pandas.DataFrame.__subclasses__ A1
init-globals pandas.DataFrame.__init__.__globals__ A1
reduce pandas.DataFrame.__reduce_ex__ A1
self math.pow.__self__ A1
wrapped numpy.sum.__wrapped__ A1
frame-of-generator demo.count.gi_frame A1
code-of-coroutine demo.async_sleep.cr_code A1
frame-globals demo.echo.f_globals A1
function-globals demo.echo.func_globals A1
traceback-frame demo.echo.tb_frame A1
mro pandas.DataFrame.mro A1
format demo.echo.format A1
private-name bank._secret A1
private-module pandas._libs.lib A1
"""
ALIAS = """
numpy-inside-ma numpy.ma.core.np.load A
numpy-inside-polynomial numpy.polynomial.polynomial.np.load A
old-core-name numpy.core.multiarray.fromfile A
testing-tools numpy.testing.measure A
load-by-npyio numpy.lib.npyio.load A
save-by-lib numpy.lib.format.write_array A
read-pickle pandas.read_pickle A
read-pickle-by-io pandas.io.pickle.read_pickle A
read-pickle-by-io-api pandas.io.api.read_pickle A
eval-by-core pandas.core.computation.eval.eval A
frame-to-pickle pandas.DataFrame.to_pickle A|B
frame-eval pandas.DataFrame.eval A|B
frame-pipe pandas.DataFrame.pipe A|B
setter-of-print-options numpy.set_printoptions A
setter-of-errors numpy.seterr A
setter-of-options pandas.set_option A
setter-of-random-state numpy.random.seed A
memory-by-buffer numpy.frombuffer A
memory-by-empty numpy.empty A
memory-by-strides numpy.lib.stride_tricks.as_strided A
posix-by-its-name posix.system not_found
posixpath-by-its-name posixpath.exists not_found
other-case MATH.pow not_found
full-width-letters ｍａｔｈ.pow not_found
cyrillic-letter mаth.pow not_found
full-width-name math.ｐｏｗ A1
cyrillic-name math.pоw A|not_found
renamed-function bank.disguised A|B
"""
IMPORT = """
closed-package trap_closed.f not_found
closed-package-itself trap_closed not_found
file-of-another-module trap_file.f not_found
file-beside-the-config trap_cwd.f not_found
part-of-an-open-package trap_open.hidden.Path A|B
tests-of-an-open-package trap_open.tests.Path A
utils-of-an-open-package trap_open.utils A
private-part-of-an-open-package trap_open._private A1
friend-of-an-open-package trap_open.trap_helper.help A|B
os-of-an-open-package trap_open.os.system A|B
test-modules-of-pandas pandas.tests.frame A
conftest-of-pandas pandas.conftest A
antigravity antigravity not_found
this this not_found
the-gateway-itself ksrpc.config.file not_found
the-gateways-command-line ksrpc.cli.main not_found
module-under-its-inner-name ksrpc_server.bank not_found
main __main__.main not_found
idlelib idlelib.run not_found
pip pip.main not_found
"""
HOSTILE = [
    ("empty", "", "not_found"),
    ("dot", ".", "not_found"),
    ("dots", "..", "not_found"),
    ("leading-dot", ".math.pow", "not_found"),
    ("leading-space", " math.pow", "not_found"),
    ("trailing-space", "math.pow ", "A1"),
    ("trailing-newline", "math.pow\n", "A1"),
    ("header-injection", "math.pow\r\nX-Evil: 1", "A1"),
    ("nul", "math.pow\x00", "A1"),
    ("leading-nul", "\x00math.pow", "not_found"),
    ("double-dot", "math..pow", "A1"),
    ("trailing-dot", "math.pow.", "A1"),
    ("statement", "math.pow;import os", "A1"),
    ("call", "os.system('id')", "not_found"),
    ("subscript", "math.__dict__['pow']", "A1"),
    ("bidi-mark", "math.\u202epow", "A1"),
    ("combining-mark", "math.e\u0301", "A1|not_found"),
    ("zero-width-joiner", "math.p\u200dow", "A1"),
    ("slash", "math/pow", "not_found"),
    ("system-path", "/etc/passwd", "not_found"),
    ("parent-path", "../math.pow", "not_found"),
    ("colon", "math:pow", "not_found"),
    ("long-name", "math." + "x" * 81, "A1"),
    ("long-root", "x" * 20_000, "not_found"),
    ("many-parts", "math." + ".".join("abcdefgh"), "A1"),
    ("thousands-of-parts", "math." + "x." * 5000 + "y", "A1"),
    ("sql", "math.pow' OR '1'='1", "A1"),
    ("ansi", "math.\x1b[31mpow", "A1"),
]
ZERO = "0" * 32
#: Handles that were never given to whoever asks; `@release` and `@describe` are words of the protocol.
HANDLE = [
    ("of-zeros", f"@{ZERO}.balance"),
    ("of-nothing", "@.balance"),
    ("alone", f"@{ZERO}"),
    ("too-short", "@1234.balance"),
    ("too-long", f"@{ZERO * 2}.balance"),
    ("in-capitals", f"@{'ABCDEF01' * 4}.balance"),
    ("no-hexadecimal", f"@{'zz' * 16}.balance"),
    ("full-width-digits", "@" + "\uff10" * 32 + ".balance"),
    ("with-path", f"@{ZERO}.os.system"),
    ("with-dunder", f"@{ZERO}.__class__"),
    ("with-nul", f"@{ZERO}\x00.balance"),
    ("twice", f"@{ZERO}.@{ZERO}.balance"),
    ("below-a-module", f"bank.@{ZERO}"),
    ("guessed-counter", f"@{1:032x}.balance"),
    ("word-nobody-knows", "@everything"),
    ("word-of-python", "@__import__"),
]

ATTACKS: list[Attack] = [
    *table("traversal", "H2", TRAVERSAL),
    *table("dunder", "H2", DUNDER),
    *table("alias", "H2 H23", ALIAS),
    *table("import", "H18", IMPORT),
    *(Attack(f"handle-{name}", "handle", "H9", path, "not_found|forbidden|decode|A1|A") for name, path in HANDLE),
    *(Attack(f"path-{name}", "traversal", "H2", path, answer) for name, path, answer in HOSTILE),
]

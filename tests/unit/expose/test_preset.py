"""The shipped lists are sound, and a damaged one is an error."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest

from ksrpc.errors import ConfigError, RefusedError
from ksrpc.expose import Resolver, load_presets
from ksrpc.expose.bound import BOUNDS
from ksrpc.expose.locator import make_locator
from ksrpc.expose.parameter import class_check
from ksrpc.expose.preset import Closed, Preset, parse_preset
from ksrpc.model import Reach, Rules

#: Vendors have no list of open names.
REVIEWED = [preset for preset in load_presets().values() if preset.kind != "vendor"]
#: Listed for other versions of Python, numpy or pandas than the one that runs.
VERSION_DEPENDENT = """
math.cbrt math.exp2 math.fma math.sumprod os.path.splitroot operator.is_ operator.is_none operator.is_not_none
datetime.UTC datetime.date.strptime datetime.time.strptime numpy.acos numpy.acosh numpy.asin numpy.asinh numpy.atan
numpy.atan2 numpy.atanh numpy.astype numpy.bitwise_count numpy.bitwise_invert numpy.bitwise_left_shift
numpy.bitwise_right_shift numpy.bool numpy.concat numpy.cumulative_prod numpy.cumulative_sum numpy.matrix_transpose
numpy.permute_dims numpy.pow numpy.trapezoid numpy.unique_all numpy.unique_counts numpy.unique_inverse
numpy.unique_values numpy.unstack numpy.vecdot numpy.linalg.cross numpy.linalg.diagonal numpy.linalg.matmul
numpy.linalg.matrix_norm numpy.linalg.matrix_transpose numpy.linalg.outer numpy.linalg.svdvals numpy.linalg.trace
numpy.linalg.vecdot numpy.linalg.vector_norm
"""


@pytest.mark.parametrize("preset", REVIEWED, ids=lambda preset: preset.root)
def test_every_listed_name_resolves(preset: Preset) -> None:
    """An entry that does not resolve on the installed version is an error here, not silence."""
    resolver = Resolver(Rules(allow=(preset.root,)))
    lost = []
    for path in sorted(preset.paths):
        try:
            resolver.resolve(path)
        except RefusedError as error:
            lost.append((path, str(error)))
    assert [item for item in lost if item[0] not in VERSION_DEPENDENT.split()] == []


@pytest.mark.parametrize("preset", load_presets().values(), ids=lambda preset: preset.root)
def test_every_class_and_bound_exists(preset: Preset) -> None:
    """Every text in a list means something, and every group has its reason."""
    assert all(len(closed.reason) > 8 for closed in preset.closed.values())
    for entry in preset.names.values():
        assert len(entry.reason) > 8
        for name, kind in entry.parameters.items():
            locator = make_locator(kind, Reach())
            assert callable(locator or class_check(kind))
            assert name != "*" or locator is None, "paths and addresses are classed by name"
        assert set(entry.bounds) <= set(BOUNDS)


def test_lists_are_as_long_as_everyday_work_needs() -> None:
    """The counts that are promised."""
    counts = {root: len(preset.names) for root, preset in load_presets().items()}
    assert counts["numpy"] >= 200
    assert counts["pandas"] >= 80
    assert counts["math"] >= 50


DANGEROUS = """
numpy.load numpy.save numpy.savez numpy.loadtxt numpy.genfromtxt numpy.fromfile numpy.memmap numpy.frombuffer
numpy.ndarray numpy.empty numpy.vectorize numpy.frompyfunc numpy.seterr numpy.random.seed numpy.random.set_state
numpy.add.at
numpy.ctypeslib numpy.f2py numpy.testing numpy.lib numpy.void numpy.einsum numpy.apply_along_axis
pandas.read_pickle pandas.read_csv pandas.read_sql pandas.eval pandas.HDFStore pandas.ExcelFile pandas.set_option
pandas.DataFrame.eval pandas.DataFrame.query pandas.DataFrame.pipe pandas.DataFrame.apply pandas.DataFrame.agg
pandas.DataFrame.to_pickle pandas.DataFrame.to_sql pandas.DataFrame.transform
pandas.DataFrame.map
pandas.Series.apply pandas.Series.map pandas.Series.agg pandas.io pandas.core pandas.api pandas.plotting
math.factorial math.comb math.perm math.prod os.system os.path.exists os.path.expanduser os.path.expandvars
os.path.realpath os.path.abspath os.path.relpath json.load json.dump json.JSONDecoder operator.pow operator.lshift
operator.attrgetter operator.itemgetter operator.methodcaller operator.call bisect.insort statistics.NormalDist
"""


@pytest.mark.parametrize("path", DANGEROUS.split())
def test_dangerous_names_are_in_no_list(path: str) -> None:
    """Left out on purpose."""
    listed = {name for preset in load_presets().values() for name in preset.paths}
    assert path not in listed
    assert not any(name.startswith(f"{path}.") for name in listed if path not in ("os", "numpy.ndarray"))


GOOD = """
root = "r"
kind = "toolkit"
version = 1
[modules]
r = []
[[group]]
at = "r"
reason = "because it is"
names = "a b"
"""


def test_parse() -> None:
    """A small list becomes a preset; what is closed is no path of it."""
    preset = parse_preset({**tomllib.loads(GOOD), "closed": [{"at": "r", "reason": "no", "names": "z"}]}, "r.toml")
    assert preset.paths == {"r", "r.a", "r.b"}
    assert preset.closed == {"r.z": Closed("no")}
    assert preset.modules["r"] == ("r",)


def test_a_group_may_be_about_several_places() -> None:
    """Each of its names at each of its places."""
    group = {"at": "r r.s", "reason": "because it is", "names": "a b"}
    preset = parse_preset({**tomllib.loads(GOOD), "group": [group]}, "r.toml")
    assert set(preset.names) == {"r.a", "r.b", "r.s.a", "r.s.b"}


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"surprise": 1}, "unknown key 'surprise'"),
        ({"group": [{"at": "r", "reason": "x", "names": "a", "bound": []}]}, "unknown key 'bound'"),
        ({"group": [{"at": "r", "reason": "x", "names": "a a"}]}, "listed twice"),
        ({"group": [{"at": "r", "names": "a"}]}, "'reason' is missing"),
        ({"closed": [{"at": "r", "reason": "x", "names": "z", "bound": []}]}, "unknown key 'bound'"),
        ({"closed": [{"at": "r", "reason": "x", "names": "z z"}]}, "listed twice"),
        ({"closed": [{"at": "r", "reason": "x", "names": "a"}]}, "r.a is open and closed"),
    ],
)
def test_damage_is_an_error(change: dict[str, Any], text: str) -> None:
    """Unknown, missing and double keys."""
    with pytest.raises(ConfigError, match=text):
        parse_preset({**tomllib.loads(GOOD), **change}, "r.toml")

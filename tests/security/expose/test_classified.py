"""No public name of a package that a preset lists is left without a word: it is open, or closed with a reason."""

from __future__ import annotations

import os
import re
import subprocess
from typing import Any

import numpy as np
import pytest

from ksrpc.errors import ForbiddenError
from ksrpc.expose import Resolver, load_presets
from ksrpc.expose.parameter import class_by_name
from ksrpc.expose.preset import Preset, parse_preset
from ksrpc.model import Rules
from tests.fidelity.environment import interpreter
from tests.helpers.census import KINDS, PAGE, callables_of, kind_of, render, unclassified
from tests.helpers.server import ROOT

PRESETS = {root: preset for root, preset in load_presets().items() if preset.kind != "vendor"}
#: Closed names that only other versions have: (places, names), with the versions above them.
OTHER_VERSIONS: list[tuple[str, str]] = [
    # Python 3.12 to 3.14, macOS
    ("os.path", "isdevdrive isjunction"),
    (
        "os",
        """chflags lchflags lchmod grantpt posix_openpt process_cpu_count ptsname readinto reload_environ setns
        timerfd_create timerfd_gettime timerfd_gettime_ns timerfd_settime timerfd_settime_ns unlockpt unshare""",
    ),
    (
        "statistics",
        "acos asin atan cos cosh count isfinite isinf itemgetter kde kde_random mul sin sumprod tan",
    ),
    # numpy up to 2.4
    ("numpy", "row_stack"),
    # numpy 1.26
    (
        "numpy",
        """DataSource RankWarning add_docstring add_newdoc add_newdoc_ufunc alltrue asfarray byte_bounds cfloat
        chararray clongfloat compare_chararrays complex_ cumproduct deprecate deprecate_with_doc disp
        fastCopyAndTranspose find_common_type float_ format_parser get_array_wrap geterrobj in1d issctype
        issubclass_ issubsctype longcomplex longfloat lookfor mat maximum_sctype msort obj2sctype product
        recfromcsv recfromtxt round_ safe_eval sctype2char set_numeric_ops set_string_function seterrobj
        singlecomplex sometrue source string_ trapz unicode_ who""",
    ),
    (
        """numpy.bool_ numpy.complex128 numpy.complex64 numpy.datetime64 numpy.float16 numpy.float32 numpy.float64
        numpy.int16 numpy.int32 numpy.int64 numpy.int8 numpy.timedelta64 numpy.uint16 numpy.uint32 numpy.uint64
        numpy.uint8""",
        "itemset newbyteorder ptp tostring",
    ),
    # pandas 2.2
    ("pandas.Categorical", "to_list"),
    (
        """pandas.CategoricalIndex pandas.DatetimeIndex pandas.Index pandas.IntervalIndex pandas.PeriodIndex
        pandas.RangeIndex pandas.TimedeltaIndex""",
        """format holds_integer is_boolean is_categorical is_floating is_integer is_interval is_numeric is_object
        sort""",
    ),
    ("pandas.DataFrame", "applymap backfill bool first last pad swapaxes to_gbq"),
    (
        "pandas.MultiIndex",
        """all any argmax argmin asof asof_locs diff difference drop_duplicates droplevel factorize format
        get_indexer get_indexer_for get_indexer_non_unique get_slice_bound groupby holds_integer identical
        infer_objects intersection is_ is_boolean is_categorical is_floating is_integer is_interval is_numeric
        is_object isna isnull item join map max memory_usage min notna notnull nunique putmask ravel reindex
        replace round searchsorted set_names shift slice_indexer sort sort_values str symmetric_difference to_list
        to_numpy to_series tolist transpose union value_counts view where""",
    ),
    ("pandas.Series", "backfill bool first last pad ravel swapaxes view"),
    ("pandas", "read_gbq value_counts"),
    ("pandas.util", "capitalize_first_letter"),
]


@pytest.mark.parametrize("preset", PRESETS.values(), ids=PRESETS)
def test_every_public_name_is_open_or_closed(preset: Preset) -> None:
    pytest.importorskip(preset.root)
    assert unclassified(preset) == []


@pytest.mark.parametrize("preset", PRESETS.values(), ids=PRESETS)
def test_no_closed_name_is_stale(preset: Preset) -> None:
    pytest.importorskip(preset.root)
    other = {
        f"{place}.{name}" for places, names in OTHER_VERSIONS for place in places.split() for name in names.split()
    }
    assert sorted(preset.closed.keys() - callables_of(preset) - other) == []
    assert sorted(path for path in other if path.split(".")[0] == preset.root and path not in preset.closed) == []


def test_every_public_name_of_the_oldest_versions_is_open_or_closed() -> None:
    """The environment of the oldest pandas and numpy that are supported."""
    line = [str(interpreter("old")), "-m", "tests.helpers.census", "--unclassified"]
    paths = os.pathsep.join([str(ROOT), str(ROOT / "src")])
    done = subprocess.run(
        line,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.stdout == ""
    assert done.returncode == 0, done.stderr


def test_a_name_that_nobody_looked_at_is_found() -> None:
    table = {"root": "math", "kind": "stdlib", "version": 1, "modules": {"math": []}}
    group = [{"at": "math", "reason": "because it is", "names": "sqrt"}]
    closed = [{"at": "math", "reason": "because it is", "names": "comb gone"}]
    preset = parse_preset({**table, "group": group, "closed": closed}, "math.toml")
    assert {"math.factorial", "math.sin"} <= set(unclassified(preset))
    assert {"math.sqrt", "math.comb", "math.pi"}.isdisjoint(unclassified(preset))
    assert "math.gone" not in callables_of(preset)


def test_kinds() -> None:
    numpy, math = PRESETS["numpy"], PRESETS["math"]
    paths = {"numpy.zeros": numpy, "numpy.isfortran": numpy, "math.sqrt": math, "math.comb": math}
    told = [kind_of(preset.names.get(path)) for path, preset in paths.items()]
    assert told == [KINDS[1], KINDS[0], KINDS[0], KINDS[2]]


def test_the_page_is_that_of_the_presets() -> None:
    assert PAGE.read_text(encoding="utf-8") == render(load_presets().values()), "run `python -m tests.helpers.census`"


@pytest.mark.parametrize("preset", PRESETS.values(), ids=lambda preset: preset.root)
def test_every_reason_is_a_sentence_for_callers(preset: Preset) -> None:
    """It is short, and names no number of a list or a file."""
    for path, closed in preset.closed.items():
        assert re.fullmatch(r"[a-z0-9][^\n]{8,110}[a-z0-9)]", closed.reason), (path, closed.reason)


@pytest.mark.parametrize("root", sorted(PRESETS))
def test_what_names_a_file_is_closed_or_checked(root: str) -> None:
    """Reading and writing by name is open nowhere."""
    names = {path.rpartition(".")[2] for path in PRESETS[root].names}
    acts = re.compile(r"^(read_|scan_|write_|sink_|load$|save|open|fetch_|dump$|from_file|fromfile|tofile)")
    assert sorted(name for name in names if acts.match(name)) == []


def test_capabilities_by_name() -> None:
    """A new parameter of an open function that names a capability is closed by its name."""
    assert {class_by_name(name) for name in ("engine", "path_or_buf", "storage_options", "callback")} == {"number"}


@pytest.mark.parametrize("name", ["irfft", "hfft", "irfft2", "irfftn", "fft"])
def test_no_transform_of_nothing(name: str) -> None:
    """Numpy would answer with memory that was not cleared: addresses of the process, for one."""
    target = Resolver(Rules(allow=("numpy",))).resolve(f"numpy.fft.{name}")
    nothing: list[Any] = [[], np.zeros((2, 0))]
    for empty in nothing:
        with pytest.raises(ForbiddenError, match="without elements"):
            target.call_check((empty, 3) if name in ("fft", "irfft", "hfft") else (empty,), {})

"""Sparse matrices of scipy arrive in the format they had; none that points outside of itself is let in."""

from __future__ import annotations

from typing import Any

import msgpack
import numpy as np
import pytest

from ksrpc.errors import DecodeError, EncodeError, TooLargeError
from ksrpc.wire import REQUEST_ANY_TABLE, REQUEST_TABLE, pack, pack_arguments, parse, parse_arguments
from tests.unit.wire.carry import carry, container

sp: Any = pytest.importorskip("scipy.sparse")

DENSE = np.array([[0, 1.5, 0, -0.0], [2, 0, 0, 0], [0, 0, 0, 3]])
FORMATS = ("csr", "csc", "coo", "bsr", "dia", "lil", "dok")
MATRICES: dict[str, Any] = {
    f"{name}_{kind}": getattr(sp, f"{name}_{kind}")(DENSE) for name in FORMATS for kind in ("array", "matrix")
}
OTHERS: dict[str, Any] = {
    **{f"dtype {text}": sp.csr_array(DENSE.astype(text)) for text in ("?", "i1", "u2", "i8", "f4", "c8", "c16")},
    "coo of one dimension": sp.coo_array(np.array([0, 1.5])),
    "coo of three": sp.coo_array(np.arange(24).reshape(2, 3, 4)),
    "csr of one dimension": sp.csr_array(np.array([0, 1, 2])),
    "dok of one dimension": sp.dok_array(np.array([0, 1, 2])),
    "blocks": sp.bsr_array(np.kron(np.eye(2), np.ones((2, 3))), blocksize=(2, 3)),
    "doubles": sp.coo_array((np.array([1.0, 2.0]), (np.array([0, 0]), np.array([1, 1]))), shape=(2, 2)),
    "stored zeros": sp.csr_array((np.zeros(2), np.array([0, 1]), np.array([0, 2])), shape=(1, 3)),
    "unsorted": sp.csr_array((np.array([1.0, 2.0]), np.array([2, 0]), np.array([0, 2])), shape=(1, 3)),
    "nothing": sp.csr_array((0, 0)),
    "empty": sp.coo_array((5, 7)),
    "diagonals": sp.dia_array((np.arange(6.0).reshape(2, 3), np.array([0, -1])), shape=(4, 3)),
    "large": sp.random_array((500, 400), density=0.1, format="csc"),
}
VALUES = {**MATRICES, **OTHERS}


def assert_same(got: Any, value: Any) -> None:
    """Compare class, shape, type, and what is stored where."""
    assert type(got) is type(value)
    assert (got.shape, got.dtype, got.nnz) == (value.shape, value.dtype, value.nnz)
    for name in ("indices", "indptr", "offsets", "data", "coords"):
        one, other = getattr(got, name, ()), getattr(value, name, ())
        if name != "data" or value.format not in ("lil", "dok"):
            for left, right in zip(np.atleast_2d(one), np.atleast_2d(other), strict=True):
                assert np.asarray(left).dtype == np.asarray(right).dtype
                np.testing.assert_array_equal(left, right)
    np.testing.assert_array_equal(got.toarray(), value.toarray())


@pytest.mark.parametrize("name", VALUES)
def test_it_arrives(name: str) -> None:
    assert_same(carry(VALUES[name]), VALUES[name])


@pytest.mark.parametrize("name", MATRICES)
def test_it_is_an_argument_where_the_rule_widens_them(name: str) -> None:
    data = pack_arguments((MATRICES[name],), {}).join()
    (got,), _ = parse_arguments(data, table=REQUEST_ANY_TABLE)
    assert_same(got, MATRICES[name])
    with pytest.raises(DecodeError, match="a sparse is not accepted in arguments"):
        parse_arguments(data, table=REQUEST_TABLE)


def test_wide_indexes_stay_wide() -> None:
    value = sp.csr_array(DENSE)
    value.indices, value.indptr = value.indices.astype("i8"), value.indptr.astype("i8")
    got = carry(value)
    assert (got.indices.dtype, got.indptr.dtype) == (np.dtype("i8"), np.dtype("i8"))
    np.testing.assert_array_equal(got.toarray(), DENSE)


def test_what_arrives_can_be_computed_with() -> None:
    got = carry(OTHERS["large"])
    got.data[:] = 1.0
    assert (got @ np.ones(400)).sum() == got.nnz


def test_objects_are_refused() -> None:
    value = sp.coo_array((np.array([1.0]), (np.array([0]), np.array([0]))), shape=(1, 1))
    value.data = np.array([object()])
    with pytest.raises(EncodeError, match=r"^result: a sparse array of object"):
        pack(value)


def _array(items: Any, dtype: str) -> list[Any]:
    array = np.array(items, dtype)
    return [msgpack.ExtType(1, b"\x40"), array.dtype.str, list(array.shape), "C", array.tobytes()]


def _message(kind: str, shape: list[int], *parts: Any) -> bytes:
    return container(msgpack.packb([msgpack.ExtType(1, b"\x72"), kind, True, shape, list(parts)]))


ONE = _array([1.0], "<f8")
HOSTILE: dict[str, bytes] = {
    "csr column outside": _message("csr", [1, 2], ONE, _array([2], "<i4"), _array([0, 1], "<i4")),
    "csr column below": _message("csr", [1, 2], ONE, _array([-1], "<i4"), _array([0, 1], "<i4")),
    "csr pointers fall": _message("csr", [2, 2], ONE, _array([0], "<i4"), _array([0, 2, 1], "<i4")),
    "csr pointers too far": _message("csr", [1, 2], ONE, _array([0], "<i4"), _array([0, 9], "<i4")),
    "csr pointers too few": _message("csr", [3, 2], ONE, _array([0], "<i4"), _array([0, 1], "<i4")),
    "csc row outside": _message("csc", [2, 1], ONE, _array([7], "<i8"), _array([0, 1], "<i8")),
    "lil column outside": _message("lil", [1, 2], ONE, _array([2], "<i4"), _array([0, 1], "<i4")),
    "bsr block outside": _message(
        "bsr", [2, 2], _array([[[1.0]]], "<f8"), _array([5], "<i4"), _array([0, 1, 1], "<i4")
    ),
    "coo outside": _message("coo", [2, 2], ONE, _array([2], "<i4"), _array([0], "<i4")),
    "coo below": _message("coo", [2, 2], ONE, _array([-1], "<i4"), _array([0], "<i4")),
    "coo lengths": _message("coo", [2, 2], ONE, _array([0, 1], "<i4"), _array([0, 1], "<i4")),
    "coo axes": _message("coo", [2, 2], ONE, _array([0], "<i4")),
    "dok outside": _message("dok", [2, 2], ONE, _array([0], "<i8"), _array([2], "<i8")),
    "dia twice": _message("dia", [2, 2], _array([[1.0, 2], [3, 4]], "<f8"), _array([0, 0], "<i4")),
    "dia offsets": _message("dia", [2, 2], _array([[1.0, 2]], "<f8"), _array([0, 1], "<i4")),
    "float indexes": _message("csr", [1, 2], ONE, _array([0], "<f8"), _array([0, 1], "<i4")),
    "narrow indexes": _message("csr", [1, 2], ONE, _array([0], "|i1"), _array([0, 1], "<i4")),
    "text values": _message("coo", [2, 2], _array(["a"], "<U1"), _array([0], "<i4"), _array([0], "<i4")),
    "no shape": _message("coo", [], ONE),
    "below nothing": _message("coo", [-1, 2], ONE, _array([0], "<i4"), _array([0], "<i4")),
    "unknown": _message("xyz", [1, 2], ONE, _array([0], "<i4"), _array([0, 1], "<i4")),
    "no parts": _message("csr", [1, 2]),
    "no arrays": _message("csr", [1, 2], 1, 2, 3),
}


@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE.keys())
def test_what_points_outside_is_refused(data: bytes) -> None:
    with pytest.raises(DecodeError):
        parse(data)


def test_sides_are_bounded() -> None:
    empty = [_array([], "<f8"), _array([], "<i8"), _array([], "<i8")]
    assert parse(_message("coo", [2**31, 2**31], *empty)).shape == (2**31, 2**31)
    with pytest.raises(TooLargeError, match="side"):
        parse(_message("coo", [2**31 + 1, 1], *empty))
    with pytest.raises(TooLargeError, match="side"):
        parse(_message("coo", [2**24 + 1, 1], *empty), table=REQUEST_ANY_TABLE)
    pointers = [msgpack.ExtType(1, b"\x40"), "<i4", [3], "C", bytes(12)]
    with pytest.raises(TooLargeError, match="items to unfold"):
        parse(_message("lil", [2**30, 1], _array([], "<f8"), _array([], "<i4"), pointers))

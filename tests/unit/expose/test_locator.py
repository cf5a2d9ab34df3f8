"""Gate C for paths and addresses: what leads into a listed folder or to a listed host, and nothing else."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ksrpc.errors import ForbiddenError
from ksrpc.expose.locator import Locator, make_locator
from ksrpc.model import Reach


def locator(kind: str, reach: Reach) -> Locator:
    found = make_locator(kind, reach)
    assert found is not None
    return found


@pytest.fixture
def shelf(tmp_path: Path) -> Path:
    """Make a folder for data with a file, one below, and links that lead in and out of it."""
    shelf = tmp_path / "shelf"
    (shelf / "day").mkdir(parents=True)
    (shelf / "a.csv").write_text("1")
    (shelf / "day" / "b.csv").write_text("2")
    (shelf / "kept").mkdir()
    (shelf / "in").symlink_to(shelf / "day")
    (shelf / "out").symlink_to(tmp_path / "other")
    (shelf / "chain").symlink_to("out/x")
    (shelf / "loop").symlink_to("loop")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "x").write_text("secret")
    (tmp_path / "back").symlink_to(shelf)
    (tmp_path / "shelf2").mkdir()
    return shelf


def reach_of(shelf: Path) -> Reach:
    return Reach((str(shelf),), (str(shelf / "kept"),), str(shelf.parent / "other"))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a.csv", "a.csv"),
        ("day/b.csv", "day/b.csv"),
        ("./day//b.csv", "day/b.csv"),
        ("in/b.csv", "day/b.csv"),
        ("not-there.csv", "not-there.csv"),
        (".", "."),
        ("...", "..."),
        ("10:30.csv", "10:30.csv"),
        ("平安（银行）：日线 2024.csv", "平安（银行）：日线 2024.csv"),
        ("a~", "a~"),
        ("%2e%2e/x", "%2e%2e/x"),
    ],
)
def test_what_lies_in_the_folder_is_handed_over_resolved(shelf: Path, text: str, found: str) -> None:
    assert locator("path:read", reach_of(shelf))("path", text) == os.path.normpath(shelf / found)


HOSTILE = [
    "", "..", "../other/x", "day/../../other/x", "day/..", "/", "//", "/etc/passwd", "//etc/passwd",
    "/proc/self/environ", "~", "~/x", "~root/.ssh/id_rsa", "day/~/x", "$HOME", "${HOME}/x", "a$HOME", "$(id)",
    "a.csv\x00", "\x00", "a\n.csv", "a\x7f", "..\\other\\x", "\\\\host\\share", "C:\\Windows", "c:/windows", "C:x",
    "file:///etc/passwd", "file:a.csv", "http://evil.example/a.csv", "s3://bucket/a", "day/x::http://evil.example",
    "simplecache::s3", "memory:x", "out/x", "out", "chain", "loop/../../other/x", "kept", "kept/store",
    "day/../kept/store", "‥/other/x", "．．/other/x", "day/‥", "～/x", "＄HOME", "\ud800", "a\udc80", "\u202ea.csv",
    "a\u200b.csv", "a\u2028b", "/dev/stdin", "a" * 5000, "ｆile://x", "file：//x", "day／．．／..", "．．／other/x",
]  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("kind", ["path:read", "path:write"])
def test_hostile_paths(shelf: Path, kind: str, text: str) -> None:
    scratch = shelf.parent / "scratch"
    scratch.mkdir()
    for name in ("out", "chain", "kept"):
        (scratch / name).symlink_to(shelf.parent / "other")
    reach = Reach((str(shelf),), (str(shelf / "kept"),), str(scratch))
    with pytest.raises(ForbiddenError) as caught:
        locator(kind, reach)("path", text)
    assert caught.value.rule == "C3"
    assert str(shelf.parent) not in str(caught.value), "the server's places are for nobody"
    with pytest.raises(ForbiddenError):
        locator(kind, reach)("path", ["a.csv", text])


def test_a_refusal_is_the_same_whether_something_is_there_or_not(shelf: Path) -> None:
    texts = set()
    for path in (
        shelf.parent / "other/x",
        shelf.parent / "other/nothing",
        shelf / "kept/x",
        "/etc/passwd",
        "/none",
        "out",
    ):
        with pytest.raises(ForbiddenError) as caught:
            locator("path:read", reach_of(shelf))("path", str(path))
        texts.add(str(caught.value))
    assert len(texts) == 1


def test_whole_paths_begin_with_the_folder_as_it_is_listed(shelf: Path) -> None:
    look = locator("path:read", reach_of(shelf))
    assert look("path", str(shelf / "a.csv")) == str(shelf / "a.csv")
    for text in (f"{shelf}2/a", f"{shelf.parent}/back/a.csv", f"/proc/self/root{shelf}/a.csv", str(shelf.parent)):
        with pytest.raises(ForbiddenError):
            look("path", text)


def test_a_listed_link_is_followed_and_a_listed_file_is_itself(shelf: Path) -> None:
    back, file = shelf.parent / "back", shelf / "a.csv"
    assert locator("path:read", Reach((str(back),)))("path", "a.csv") == str(file)
    assert locator("path:read", Reach((str(back),)))("path", str(back / "a.csv")) == str(file)
    look = locator("path:read", Reach((str(file), str(shelf / "day"))))
    assert look("path", str(file)) == str(file)
    with pytest.raises(ForbiddenError):
        look("path", str(shelf / "b.csv"))


def test_several_folders_ask_for_the_whole_path_and_none_for_a_setting(shelf: Path) -> None:
    several = Reach((str(shelf), str(shelf.parent / "shelf2")))
    with pytest.raises(ForbiddenError, match="write the whole path"):
        locator("path:read", several)("path", "a.csv")
    assert locator("path:read", several)("path", str(shelf / "a.csv")) == str(shelf / "a.csv")
    with pytest.raises(ForbiddenError, match="data_roots"):
        locator("path:read", Reach())("path", "a.csv")
    with pytest.raises(ForbiddenError, match="no folder to write to"):
        locator("path:write", several)("path", "a.csv")


def test_what_is_written_goes_to_the_scratch_alone(shelf: Path) -> None:
    scratch = shelf.parent / "other"
    look = locator("path:write", reach_of(shelf))
    assert look("path", "new.csv") == str(scratch / "new.csv")
    with pytest.raises(ForbiddenError):
        look("path", str(shelf / "a.csv"))


@pytest.mark.parametrize("value", [3, True, 1.5, b"a.csv", ("a.csv",), {"a": "a.csv"}, [1], [["a.csv"]], Path("a.csv")])
def test_nothing_but_texts(shelf: Path, value: object) -> None:
    for kind in ("path:read", "path:write", "url:api.example.com"):
        with pytest.raises(ForbiddenError) as caught:
            locator(kind, reach_of(shelf))("path", value)
        assert caught.value.rule == "C1"


def test_none_is_none_and_a_list_is_a_list(shelf: Path) -> None:
    look = locator("path:read", reach_of(shelf))
    assert look("path", None) is None
    assert look("path", ["a.csv", "in/b.csv"]) == [str(shelf / "a.csv"), str(shelf / "day/b.csv")]
    assert look("path", []) == []
    with pytest.raises(ForbiddenError):
        look("path", ["a"] * 10_001)


# addresses

HOSTS = (
    "api.example.com",
    "*.allowed.test",
    "data.example.com:8443",
    "10.1.0.0/16",
    "xn--bcher-kva.example",
    "fd00::/8",
)


@pytest.mark.parametrize(
    ("text", "given"),
    [
        ("https://api.example.com", "https://api.example.com/"),
        ("HTTP://API.Example.COM/A?b=C#d", "http://api.example.com/A?b=C#d"),
        ("https://api.example.com:443/", "https://api.example.com/"),
        ("http://api.example.com:443/", "http://api.example.com:443/"),
        ("https://api.example.com./x", "https://api.example.com/x"),
        ("https://a.b.allowed.test/", "https://a.b.allowed.test/"),
        ("https://data.example.com:8443/x", "https://data.example.com:8443/x"),
        ("http://10.1.2.3/x", "http://10.1.2.3/x"),
        ("http://[::ffff:10.1.2.3]/x", "http://[::ffff:10.1.2.3]/x"),
        ("http://[fd00::1]:80/x", "http://[fd00::1]/x"),
        ("https://bücher.example/x", "https://xn--bcher-kva.example/x"),
        ("https://BÜCHER.example/x", "https://xn--bcher-kva.example/x"),
        ("https://api.example.com?q=平安", "https://api.example.com/?q=平安"),
        ("https://api.example.com?@evil.test", "https://api.example.com/?@evil.test"),
        ("https://api.example.com#@evil.test", "https://api.example.com/#@evil.test"),
        ("https://api.example.com/../../x", "https://api.example.com/../../x"),
    ],
)
def test_listed_addresses_are_handed_over_in_one_way_of_writing(text: str, given: str) -> None:
    assert locator("url", Reach(hosts=HOSTS))("url", text) == given


@pytest.mark.parametrize(
    "text",
    [
        "", "api.example.com", "//api.example.com/x", "http:/api.example.com", "http:api.example.com", "http://", "http:///x",
        "file:///etc/passwd", "file://api.example.com/x", "ftp://api.example.com/", "gopher://api.example.com/_x",
        "javascript://api.example.com/", "data:text/plain,x", "jar:http://api.example.com!/x", "ws://api.example.com/",
        "view-source:https://api.example.com/", "http://user@api.example.com/", "http://u:p@api.example.com/",
        "http://@api.example.com/", "http://api.example.com@evil.test/", "http://evil.test#@api.example.com/",
        "http://evil.test?@api.example.com/", "http://evil.test\\@api.example.com/", "http://api.example.com\\@evil.test/",
        "http://api.example.com\\.evil.test/", "http://127.0.0.1/", "http://127.1/", "http://2130706433/",
        "http://0x7f000001/", "http://0x7f.0.0.1/", "http://0177.0.0.1/", "http://10.1.2.3.4/", "http://010.1.2.3/",
        "http://0/", "http://localhost/", "http://[::1]/", "http://[::]/", "http://[::ffff:127.0.0.1]/",
        "http://[::ffff:7f00:1]/", "http://[64:ff9b::7f00:1]/", "http://[2002:7f00:1::]/", "http://[fe80::1%25eth0]/",
        "http://[fd00::1%25lo]/", "http://[api.example.com]/", "http://[::1]api.example.com/", "http://[::1/",
        "http://169.254.169.254/latest", "http://192.168.1.1/", "http://10.2.0.1/", "http://93.184.216.34/",
        "http://api.example.com.evil.test/", "http://evilapi.example.com/", "http://allowed.test/", "http://x.allowed.test.evil/",
        "http://xallowed.test/", "http://.allowed.test/", "http://a..allowed.test/", "http://api.example.com../",
        "http://api.example.com:8443/", "https://data.example.com/", "http://api.example.com:0/", "http://api.example.com:/",
        "http://api.example.com:99999/", "http://api.example.com:+80/", "http://api.example.com:８０/",
        "http://api.example.com:80:80/", "http://api.example.com:80@evil.test/", "http://api.example.com:-1/",
        " http://api.example.com/", "http://api.example.com/ x", "http://api.example.com/\r\nHost: evil.test",
        "http://api.example.com\t/", "ht\ntp://api.example.com/", "http://api.exam\u00adple.com/", "http://api.example.com\x00/",
        "http://ａpi.example.com/", "http://api。example。com/", "http://api.example.com／x/", "http://api.example.c℀m/",
        "http://fußball.allowed.test.evil/", "http://faß.example/", "http://аpi.example.com/", "http://bücher.example.evil/",
        "http://xn--/", "http://%61pi.example.com/", "http://api.example.com%2eevil.test/", "http://api.example.com%00.evil/",
        "http://api.example.com;.evil.test/", "http://api.example.com,evil.test/", "http://*.allowed.test/",
        "http://\ud800.allowed.test/", "http://api.example.com/" + "a" * 5000, "http://" + "a" * 300 + ".allowed.test/",
    ],
)  # fmt: skip
def test_hostile_addresses(text: str) -> None:
    look = locator("url", Reach(hosts=HOSTS))
    with pytest.raises(ForbiddenError) as caught:
        look("url", text)
    assert caught.value.rule == "C3"
    with pytest.raises(ForbiddenError):
        look("url", ["https://api.example.com/", text])


def test_hosts_of_the_class_stand_for_those_of_the_module() -> None:
    look = locator("url:one.example|two.example:8443", Reach(hosts=HOSTS))
    assert look("url", "https://one.example/") == "https://one.example/"
    assert look("url", "https://two.example:8443/") == "https://two.example:8443/"
    for text in ("https://api.example.com/", "https://two.example/"):
        with pytest.raises(ForbiddenError):
            look("url", text)
    with pytest.raises(ForbiddenError):
        locator("url", Reach())("url", "https://one.example/")
    assert locator("url", Reach())("url", None) is None


def test_other_classes_are_not_for_here() -> None:
    assert make_locator("text", Reach()) is None
    assert make_locator("choice:path:read|url", Reach()) is None

"""The certificate of a server: both files or none, and errors that name line, file and cure."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from ksrpc.config import load_config
from ksrpc.errors import ConfigError
from tests.helpers.authority import Authority

CONFIG = '[server]\nport = 0\ntls_cert = "server.pem"\ntls_key = "server.key"\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    Authority(tmp_path).issue("localhost")
    return tmp_path


def load(folder: Path, text: str = CONFIG) -> str:
    """Return what is wrong with a configuration; empty if nothing is."""
    path = folder / "ksrpc.toml"
    path.write_text(text)
    path.chmod(0o600)
    try:
        server = load_config(path).server
    except ConfigError as exc:
        return str(exc)
    assert server.tls_cert == folder / "server.pem"
    return ""


def test_paths_are_relative_to_the_configuration(folder: Path) -> None:
    assert load(folder) == ""


def test_both_or_none(folder: Path) -> None:
    told = load(folder, CONFIG.replace('tls_key = "server.key"\n', ""))
    assert (
        told
        == f"{folder}/ksrpc.toml:3: server.tls_cert needs server.tls_key: a certificate and its key, both in PEM form"
    )
    told = load(folder, CONFIG.replace('tls_cert = "server.pem"\n', ""))
    assert "ksrpc.toml:3: server.tls_key needs server.tls_cert" in told


def test_a_missing_file(folder: Path) -> None:
    (folder / "server.key").unlink()
    assert load(folder) == f"{folder}/ksrpc.toml:4: server.tls_key: there is no file {folder}/server.key"


def test_a_key_that_others_can_read(folder: Path) -> None:
    (folder / "server.key").chmod(0o644)
    assert f"ksrpc.toml:4: server.tls_key: others can read or change the key {folder}/server.key: chmod" in load(folder)


def test_a_key_of_another_certificate(folder: Path) -> None:
    other = Authority(folder / "other").issue("localhost")
    (folder / "server.key").write_bytes(other.key.read_bytes())
    assert "server.pem is not the certificate of the key" in load(folder)


def test_files_that_are_something_else(folder: Path) -> None:
    (folder / "server.pem").write_text("hello")
    assert "are no certificate and its key in PEM form" in load(folder)


def test_a_key_with_a_pass_phrase_does_not_ask_for_it(folder: Path) -> None:
    key = folder / "server.key"
    sealed = ["openssl", "pkey", "-in", str(key), "-aes128", "-passout", "pass:secret", "-out", str(folder / "sealed")]
    subprocess.run(sealed, check=True, timeout=60, capture_output=True)
    key.write_bytes((folder / "sealed").read_bytes())
    assert "the key is encrypted; give one without a pass phrase" in load(folder)


def test_authorities_of_clients(folder: Path) -> None:
    text = CONFIG + 'tls_client_ca = "ca.pem"\n'
    assert load(folder, text) == ""
    alone = load(folder, '[server]\nport = 0\ntls_client_ca = "ca.pem"\n')
    assert "ksrpc.toml:3: server.tls_client_ca needs server.tls_cert" in alone
    (folder / "ca.pem").write_text("nothing")
    assert f"ksrpc.toml:5: server.tls_client_ca: {folder}/ca.pem holds no certificates" in load(folder, text)
    (folder / "ca.pem").unlink()
    assert f"ksrpc.toml:5: server.tls_client_ca: {folder}/ca.pem cannot be read" in load(folder, text)

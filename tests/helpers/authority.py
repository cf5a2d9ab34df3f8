"""Certificates of an authority that nobody but a test knows."""

from __future__ import annotations

import datetime
import os
from pathlib import Path
from typing import NamedTuple

import trustme


class Pair(NamedTuple):
    """Name the files of a certificate and its key."""

    cert: Path
    key: Path


class Authority:
    """Issue certificates into a folder.

    Attributes:
        ca: The authority's own certificate.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._authority = trustme.CA()
        self.ca = folder / "ca.pem"
        self._authority.cert_pem.write_to_path(str(self.ca))

    def issue(self, *names: str, ends: datetime.datetime | None = None, label: str = "server") -> Pair:
        """Make a certificate for host names and addresses."""
        made = self._authority.issue_cert(*names, not_after=ends)
        pair = Pair(self._folder / f"{label}.pem", self._folder / f"{label}.key")
        pair.cert.write_bytes(b"".join(blob.bytes() for blob in made.cert_chain_pems))
        pair.key.write_bytes(made.private_key_pem.bytes())
        os.chmod(pair.key, 0o600)
        return pair

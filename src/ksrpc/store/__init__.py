"""What outlives the process: tokens, and the cache; quotas and leases behind the same room later."""

from ksrpc.store.cache import CacheStore
from ksrpc.store.entry import CacheReport, CacheStats, Entry, Listed, Share, Stored
from ksrpc.store.shelf import BLOB_BYTES
from ksrpc.store.token import TokenRecord, TokenStore

__all__ = [
    "BLOB_BYTES",
    "CacheReport",
    "CacheStats",
    "CacheStore",
    "Entry",
    "Listed",
    "Share",
    "Stored",
    "TokenRecord",
    "TokenStore",
]

"""What outlives the process: tokens now; quotas, leases, cache index and blobs behind the same file later."""

from ksrpc.store.token import TokenRecord, TokenStore

__all__ = ["TokenRecord", "TokenStore"]

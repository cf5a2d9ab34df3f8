"""ksrpc.toml: read, checked, explained."""

from ksrpc.config.file import find_config, load_config, write_config
from ksrpc.config.schema import Config

__all__ = ["Config", "find_config", "load_config", "write_config"]

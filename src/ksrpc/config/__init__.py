"""ksrpc.toml: read, checked, explained."""

from ksrpc.config.file import LoadedConfig, find_config, load_config, read_config, write_config
from ksrpc.config.schema import Config

__all__ = ["Config", "LoadedConfig", "find_config", "load_config", "read_config", "write_config"]

"""What one configuration makes of the gateway: a call takes one state from its first step to its last.

A new configuration makes a new state. Its calls use the worker processes of the one before where nothing that a worker
is told has changed; the others end when their last call has its answer.

Source: docs/explanation/architecture.md "A new configuration".
"""

from __future__ import annotations

from ksrpc.config import Config
from ksrpc.expose import Surface
from ksrpc.gateway.allow import Allowance
from ksrpc.gateway.describe import Registry
from ksrpc.gateway.identify import Doorkeeper
from ksrpc.gateway.run import Executors
from ksrpc.store import TokenStore


class State:
    """Hold a configuration and what was derived from it.

    Attributes:
        calls: How many calls are under way in this state.
    """

    door: Doorkeeper
    executors: Executors
    registry: Registry

    def __init__(
        self, config: Config, tokens: TokenStore, *, shows_output: bool = False, former: State | None = None
    ) -> None:
        """Check the rules and derive everything from them; the former state stays as it is.

        Raises:
            ConfigError: A pattern of a rule cannot be.
        """
        for rules in (config.all_rules, *map(config.rules_for, config.user)):
            Surface(rules)  # a pattern that cannot be is an error now, not with the first call
        self.config = config
        self.door = Doorkeeper(config, tokens, former.door if former else None)
        self.allowance = Allowance()
        self.executors = Executors(config, shows_output=shows_output, former=former.executors if former else None)
        self.registry = Registry(
            self.executors, timeout_s=config.call.timeout_s, former=former.registry if former else None
        )
        self.calls = 0

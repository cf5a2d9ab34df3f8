"""Decide which object a dotted path may lead to, and with which arguments it may be called.

Three gates, default deny at each, and the refusal names the gate: `Surface` (A) reads text only and imports nothing,
`Resolver` (B) looks names up without running code and judges the object it found, `Target.call_check` (C) judges
the decoded arguments. The law they follow is docs/spec/policy.md.
"""

from __future__ import annotations

from ksrpc.expose.origin import SOURCE_PACKAGE, ModuleSource, edition_of
from ksrpc.expose.preset import Preset, load_presets
from ksrpc.expose.resolver import Resolver
from ksrpc.expose.rule import RULES
from ksrpc.expose.surface import Surface
from ksrpc.expose.target import Target
from ksrpc.expose.veil import Veil

__all__ = [
    "RULES",
    "SOURCE_PACKAGE",
    "ModuleSource",
    "Preset",
    "Resolver",
    "Surface",
    "Target",
    "Veil",
    "edition_of",
    "load_presets",
]

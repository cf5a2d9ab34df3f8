"""Gate B's door: from a dotted path to the judged object, remembered by strong reference.

Rules:
* Gate A is asked again here, whoever asked it before: the resolver trusts no gateway.
* What is remembered is the object that was judged, so that rebinding a name later changes nothing (THREATS H25).
* Refusals are not remembered; the store is bounded.

Source: docs/spec/policy.md "Gate B".
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from types import MappingProxyType, ModuleType
from typing import Any

from ksrpc.errors import ForbiddenError, KsrpcError, NotFoundError, RefusedError
from ksrpc.expose.argument import FREE, make_plan, wrong_class
from ksrpc.expose.denial import Denial
from ksrpc.expose.describe import describe, list_names
from ksrpc.expose.judge import Place, Verdict, judge
from ksrpc.expose.lookup import Walker, find_loaded
from ksrpc.expose.offer import check_offer
from ksrpc.expose.origin import BUILTIN, SOURCE_PACKAGE, ImportDesk, ModuleSource
from ksrpc.expose.owner import Territory
from ksrpc.expose.preset import Preset
from ksrpc.expose.rule import forbid
from ksrpc.expose.surface import Surface
from ksrpc.expose.target import Target
from ksrpc.expose.waiver import resolve_waived
from ksrpc.limits import MEMO_ENTRIES
from ksrpc.model import Descriptor, Reach, Rules

__all__ = ["Resolver"]


class Resolver:
    """Resolve paths in the process where the libraries run.

    Args:
        rules: The widest rules that hold in this process; gate A of single users is asked by the gateway.
        sources: Bare name → file of the administrator; `demo` is built in.
        generation: Counts the worker's restarts and reloads; every decision carries it.
        reaches: Root → what arguments of its functions may name, and how the administrator classed their parameters.
    """

    __slots__ = (
        "_checked", "_denial", "_described", "_desk", "_generation", "_handles", "_memo", "_reaches", "_sources",
        "_surface", "_walkers",
    )  # fmt: skip

    def __init__(
        self,
        rules: Rules,
        *,
        sources: Mapping[str, ModuleSource] | None = None,
        generation: int = 0,
        reaches: Mapping[str, Reach] = MappingProxyType({}),
    ) -> None:
        self._reaches = reaches
        self._checked: set[str] = set()
        self._handles = frozenset(rules.handles)
        self._sources = {**BUILTIN, **(sources or {})}
        self._surface = Surface(rules, served=self._sources)
        self._desk = ImportDesk(self._sources)
        self._denial = Denial(self._surface.blocked, self._surface.reserved)
        self._generation = generation
        self._memo: OrderedDict[str, Target] = OrderedDict()
        self._described: OrderedDict[str, Descriptor] = OrderedDict()
        self._walkers: dict[str, Walker] = {}

    def resolve(self, path: str) -> Target:
        """Resolve a path to its judged object.

        Raises:
            NotFoundError: If the rules do not open the path, or there is nothing.
            ForbiddenError: If gate A or B refuses.
            RefusedError: If the module exists and fails to import.
        """
        try:
            self._memo.move_to_end(path)
            return self._memo[path]
        except KeyError:  # unknown, or evicted by another thread in between
            target = self._resolve(path)
        _remember(self._memo, path, target)
        return target

    def describe(self, path: str) -> Descriptor:
        """Describe what a path resolves to.

        Raises:
            NotFoundError: As `resolve`.
            ForbiddenError: As `resolve`.
            RefusedError: As `resolve`.
        """
        known = self._described.get(path)
        if known is None:
            is_guarded = path.partition(".")[0] in self._sources
            known = describe(self.resolve(path), lambda holder: self._members(path, holder), is_guarded=is_guarded)
            _remember(self._described, path, known)
        return known

    def _resolve(self, path: str) -> Target:
        self._surface.check(path)
        root = path.partition(".")[0]
        if root not in self._sources and self._surface.class_of(root) == "unsafe":
            return resolve_waived(path, self._desk, self._generation)
        target = self._target(path, self._decide(path))
        self._check_classes(root)
        return target

    def _check_classes(self, root: str) -> None:
        """See, once the module is there, that each function exists whose parameters the administrator classed.

        Raises:
            RefusedError: One does not: what is misspelt would hold for nothing.
        """
        reach = self._reaches.get(root)
        if reach is None or root in self._checked:
            return
        for key in reach.classes:
            function, _, name = key.rpartition(".")
            path = f"{root}.{function}"
            if function in ("", "*") or any(path.startswith(f"{held}.") for held in self._handles):
                continue
            try:
                self._target(path, self._decide(path))
            except NotFoundError:
                raise RefusedError(wrong_class(path, name, "there is no such function")) from None
            except ForbiddenError as exc:
                raise RefusedError(wrong_class(path, name, str(exc))) from None
        self._checked.add(root)

    def resolve_class(self, path: str) -> type:
        """Resolve the path of a class whose instances may be kept, by gates A and B even where they are waived.

        Raises:
            NotFoundError: As `resolve`.
            ForbiddenError: As `resolve`, or it is no class.
            RefusedError: As `resolve`.
        """
        self._surface.check(path)
        verdict = self._decide(path)
        if not isinstance(verdict.value, type):
            raise forbid("B3", f"{path} is listed as a class and is none")
        return verdict.value

    def resolve_member(self, path: str, item: Any, cls: type) -> Target:
        """Judge what was found under a listed name of such a class.

        Args:
            path: The class's path and the name.
            item: What stands under the name in the class.
            cls: The class.

        Raises:
            ForbiddenError: If gate B refuses.
        """
        self._denial.refresh()
        self._denial.check(path, item, cls)
        place = Place(path, self._walker(path.partition(".")[0]).territory, cls, is_handle=True)
        return self._target(path, judge(item, place))

    def owns(self, path: str, cls: type) -> bool:
        """Tell whether a class belongs to the root of a path."""
        return self._walker(path.partition(".")[0]).territory.owns_class(cls)

    def _target(self, path: str, verdict: Verdict) -> Target:
        root = path.partition(".")[0]
        preset = self._preset(root)
        entry = preset.names.get(path) if preset is not None else None
        source = self._sources.get(root)
        is_open = source is not None and source.arguments == "any"
        is_callable = verdict.kind not in ("module", "value")
        return Target(
            object=verdict.value,
            path=path,
            canonical=self._canonical(path, verdict.value, preset),
            owner=root,
            kind=verdict.kind,
            is_async=verdict.is_async,
            arguments="any" if is_open else "data",
            generation=self._generation,
            plan=FREE
            if is_open or not is_callable
            else make_plan(verdict.value, entry, verdict.self_class, path=path, reach=self._reaches.get(root)),
        )

    def _decide(self, path: str) -> Verdict:
        root, *_ = parts = path.split(".")
        walker = self._walker(root)
        item, holder = walker.walk(parts)
        self._denial.refresh()
        self._denial.check(path, item, holder)
        if isinstance(item, ModuleType):
            return Verdict(item, "module")
        preset = self._preset(root)
        place = Place(
            path,
            walker.territory,
            holder,
            objects=_objects(preset),
            is_listed=preset is not None,
            is_handle=path in self._handles,
        )
        verdict = judge(item, place)
        if root in self._sources:
            check_offer(path, verdict.kind, self._desk.fetch(root))
        return verdict

    def _walker(self, root: str) -> Walker:
        walker = self._walkers.get(root)
        if walker is None:
            walker = self._walkers[root] = self._make_walker(root)
        return walker

    def _make_walker(self, root: str) -> Walker:
        if root in self._sources:
            full = f"{SOURCE_PACKAGE}.{root}"
            return Walker(
                root=root,
                territory=Territory(root, frozenset([full])),
                module_names=lambda _: (full,),
                homes={},
                may_import=lambda _: False,
                desk=self._desk,
            )
        preset = self._preset(root)
        modules = preset.modules if preset is not None else {}
        return Walker(
            root=root,
            territory=Territory(root, preset.owners if preset is not None else frozenset([root])),
            module_names=lambda name: modules.get(name, ()),
            homes=preset.homes if preset is not None else {},
            may_import=self._surface.may_import,
            desk=self._desk,
            is_object=lambda item: any(item is known for known in _objects(preset)),
        )

    def _preset(self, root: str) -> Preset | None:
        return None if root in self._sources else self._surface.preset_of(root)

    def _canonical(self, path: str, value: Any, preset: Preset | None) -> str:
        kept = preset.aliases.get(path, path) if preset is not None else path
        return kept if kept != path and find_loaded(kept) is value else path

    def _members(self, path: str, holder: ModuleType | type) -> Iterable[str]:
        preset = self._preset(path.partition(".")[0])
        start = f"{path}."
        if preset is None:
            names = list_names(holder)
        else:
            names = sorted({p[len(start) :] for p in preset.paths if p.startswith(start)} - {""})
        return [name for name in names if "." not in name and self._resolves(f"{path}.{name}")]

    def _resolves(self, path: str) -> bool:
        try:
            self._surface.check(path)
            if self._surface.class_of(path.partition(".")[0]) != "unsafe":
                self._decide(path)
        except KsrpcError:
            return False
        return True


def _objects(preset: Preset | None) -> tuple[Any, ...]:
    """Return the instances that a preset lists, as far as they are loaded."""
    found = map(find_loaded, preset.objects) if preset is not None else ()
    return tuple(item for item in found if item is not None)


def _remember(store: OrderedDict[str, Any], path: str, value: Any) -> None:
    store[path] = value
    while len(store) > MEMO_ENTRIES:
        store.popitem(last=False)

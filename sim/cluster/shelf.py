"""Objects that nobody has asked for lately, packed: what is alive in a long run takes a seventh of its memory.

The newest objects of a kind stay as they are. The others are packed together, whatever they are and whoever refers to
them: to the store and to all caches an object is the same as before, and when somebody reads what was packed it is
there again, equal in value (``Packed``). Runs with fewer objects of a kind pack nothing. In a burst all objects are
looked at in turn, which would pack and unpack each of them again and again: where one is asked for again soon, one more
stays as it is.
"""

from __future__ import annotations

import pickle
from collections import defaultdict, deque
from operator import attrgetter
from typing import TYPE_CHECKING, Any
from zlib import compress, decompress

from sim.cluster.objects import NOTHING, Bare, Object

NEWEST = 4096
"""Objects of each kind that are not packed, at least: those that were made, or asked for, last."""
TOGETHER = 128
"""Objects that are packed together: more take less memory each, and longer until one is there again."""
SOON = 65536
"""Asked for again is soon where no more objects of the kind were packed since: so many stay as they are, at most."""
_OPEN = 32
"""Packets that stay unpacked a while, because who asks for one object often asks for its neighbours."""

_MAPS = ("labels", "annotations", "more")
_PACKED = (
    *_MAPS,
    *sorted({*Bare.__slots__, *Object.__slots__} - {*_MAPS, "kind", "name", "packet", "resource_version"}),
)
_parts = attrgetter(*_PACKED)


class Packet:
    """Objects that were packed together, by resourceVersion, of which each has one of its own."""

    __slots__ = ("_bytes", "_shelf", "number", "parts")

    def __init__(self, shelf: Shelf, items: list[Object], number: int) -> None:
        self._shelf = shelf
        self.number = number
        """How many objects of the kind were packed before."""
        # What has no labels has all the same map, and is known by it.
        found = {
            item.resource_version: tuple([None if part is NOTHING else part for part in _parts(item)]) for item in items
        }
        self._bytes = compress(pickle.dumps(found, pickle.HIGHEST_PROTOCOL), 1)
        self.parts: dict[int, tuple[Any, ...]] | None = None
        """What was packed, where it is unpacked at the moment."""
        for item in items:
            for slot in _PACKED:
                delattr(item, slot)
            item.packet = self
            item.__class__ = Packed

    def unpack(self, item: Object) -> None:
        """Give an object back what was packed of it."""
        parts = self.parts
        if parts is None:
            parts = self.parts = pickle.loads(decompress(self._bytes))
            self._shelf.opened(self)
        item.__class__ = Object
        for slot, part in zip(_PACKED, parts[item.resource_version], strict=True):
            setattr(item, slot, NOTHING if part is None and slot in _MAPS else part)
        del item.packet
        self._shelf.asked_for(item, self.number)


class Packed(Object):
    """An object of which most is in a packet: a class of its own, so that nobody pays who reads any other."""

    __slots__ = ()

    if not TYPE_CHECKING:  # mypy would take any name for an attribute

        def __getattr__(self, name: str) -> Any:
            """A slot is empty: from now on the object is as it was."""
            self.packet.unpack(self)
            return getattr(self, name)


class Shelf:
    """Packs the objects of one store."""

    __slots__ = ("_names", "_newest", "_objects", "_opened", "_packed")

    def __init__(self, objects: dict[str, dict[str, Object]]) -> None:
        self._objects = objects
        self._names: defaultdict[str, list[str]] = defaultdict(list)  # by kind of those that are not packed
        self._newest: defaultdict[str, int] = defaultdict(lambda: NEWEST)  # how many of a kind stay as they are
        self._packed: defaultdict[str, int] = defaultdict(int)  # how many of a kind were packed so far
        self._opened: deque[Packet] = deque()

    def add(self, item: Object) -> None:
        """An object is new, or was unpacked: others are packed for it where they are many."""
        kind = item.kind
        names = self._names[kind]
        names.append(item.name)
        if len(names) >= self._newest[kind] + TOGETHER:
            # A name may be there twice: of a version that a cache had still, and of the next one.
            oldest = map(self._objects[kind].get, dict.fromkeys(names[:TOGETHER]))
            del names[:TOGETHER]
            items = [each for each in oldest if each.__class__ is Object and each is not item]
            if items:
                Packet(self, items, self._packed[kind])
                self._packed[kind] += len(items)

    def asked_for(self, item: Object, number: int) -> None:
        """An object was unpacked that was packed when ``number`` of its kind had been."""
        if self._packed[item.kind] - number < SOON:
            self._newest[item.kind] += 1
        self.add(item)

    def opened(self, packet: Packet) -> None:
        """A packet is unpacked; the one that was longest is not any more."""
        self._opened.append(packet)
        if len(self._opened) > _OPEN:
            self._opened.popleft().parts = None

    def let_go(self) -> None:
        """Forget the objects."""
        self._objects = {}
        self._names.clear()
        self._opened.clear()

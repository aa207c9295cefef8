"""Planted mistakes in the controllers, the client and the server: explore finds each of them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sim.client.delaying import DelayingQueue
from sim.client.informer import Informer
from sim.cluster.apiserver import ApiServer
from sim.cluster.store import Store
from sim.cluster.watch import Watch
from sim.experiment.explore import Exploration
from sim.experiment.spread import SpreadHere
from sim.families.certmanager.approver import Approver
from sim.families.certmanager.issuing import Issuing
from sim.families.certmanager.key_manager import KeyManager
from sim.families.certmanager.readiness import Readiness
from sim.families.certmanager.request_manager import RequestManager
from sim.families.certmanager.trigger import Trigger
from sim.scenario.reading.loader import load

PLANTS = {}


def plant(target, name):
    """Register a mistake: a function of the right one that returns the wrong one."""

    def register(make):
        PLANTS[make.__name__] = (target, name, make)
        return make

    return register


def nothing(right):
    return lambda *_, **__: None


@plant(ApiServer, "_update")
def a_stale_update_is_accepted(right):
    def wrong(self, write, kind, now):
        live = self.store.get(write.kind, write.name)
        return right(self, replace(write, resource_version=live.resource_version) if live else write, kind, now)

    return wrong


@plant(Store, "delete")
def a_deletion_is_not_published(right):
    def wrong(self, item):
        self.revision += 1
        del self.objects[item.kind][item.name]

    return wrong


@plant(Watch, "publish")
def a_watch_loses_an_event(right):
    def wrong(self, event):
        self.count = getattr(self, "count", 0) + 1
        if self.count != 5:
            right(self, event)

    return wrong


@plant(Watch, "publish")
def a_watch_lets_an_event_overtake(right):
    def wrong(self, event):
        self._last = 0
        right(self, event)

    return wrong


@plant(Informer, "_store")
def a_cache_keeps_what_is_deleted(right):
    return lambda self, obj, deleted: None if deleted else right(self, obj, deleted)


@plant(Informer, "_store")
def a_cache_keeps_the_first_version(right):
    return lambda self, obj, deleted: right(self, obj, deleted) if deleted or self.cache.get(obj.name) is None else None


@plant(DelayingQueue, "add_after")
def a_failed_key_does_not_come_back(right):
    return nothing(right)


@plant(Trigger, "_issue")
def trigger_does_not_trigger(right):
    return nothing(right)


@plant(KeyManager, "_clean_up")
def key_manager_does_not_clean_up(right):
    return nothing(right)


@plant(KeyManager, "_set_name")
def key_manager_does_not_name_its_key(right):
    return lambda *_: iter(())


@plant(RequestManager, "_sort_requests")
def request_manager_does_not_see_its_requests(right):
    return lambda *_: ([], [])


@plant(Approver, "reconcile")
def nobody_approves(right):
    return nothing(right)


@plant(Issuing, "_issue")
def issuing_does_not_issue(right):
    return nothing(right)


@plant(Readiness, "_write")
def readiness_does_not_write(right):
    return nothing(right)


@pytest.mark.parametrize("name", PLANTS)
def test_a_planted_mistake_is_found(name, monkeypatch):
    target, attribute, make = PLANTS[name]
    monkeypatch.setattr(target, attribute, make(getattr(target, attribute)))
    search = Exploration(
        load("name: planted\npreset: cert-manager-1.21\nworkload: {certificates: 2}\n"), "guided", 1, SpreadHere()
    )
    search.search(100)
    assert search.broken

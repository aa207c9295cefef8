"""Planted mistakes in the controllers, the client and the server: explore finds each of them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sim.client.delaying import DelayingQueue
from sim.client.election import Elector
from sim.client.informer import Informer
from sim.client.reflector import Reflector
from sim.client.worker import Workers
from sim.client.workqueue import Workqueue
from sim.cluster.apiserver import ApiServer
from sim.cluster.store import Store
from sim.cluster.watch import Watch
from sim.experiment.executor import InProcess
from sim.experiment.explore import BATCH, Exploration
from sim.experiment.perturbed import Schedule, play, prepared
from sim.experiment.replicate import replicate
from sim.families.certmanager import policies
from sim.families.certmanager.approver import Approver
from sim.families.certmanager.issuing import Issuing
from sim.families.certmanager.key_manager import KeyManager
from sim.families.certmanager.properties import PROPERTIES
from sim.families.certmanager.readiness import Readiness
from sim.families.certmanager.request_manager import RequestManager
from sim.families.certmanager.trigger import Trigger
from sim.scenario.reading.loader import load
from sim.units import SECOND

CERTIFICATES = "name: planted\npreset: cert-manager-1.21\nworkload: {certificates: 2}\n"
OLD = "name: planted\npreset: cert-manager-1.12.9\nworkload: {certificates: 2, arrival: {rate: 1/s}}\n"
REPLICAS = """
name: planted
preset: cert-manager-1.21
workload: {certificates: 4, arrival: {rate: 1/s}}
controllers: {replicas: 2, leader_election: {lease_duration: 15s, renew_deadline: 10s, retry_period: 2s}}
"""
CHANGES = """
name: planted
kinds: {Site: {}, Page: {}}
workload: {kind: Site, objects: 2, spec: {version: 1}, settled: "self.spec.version == 2"}
operators:
- name: user
  controllers:
  - name: user
    for: Site
    steps:
    - when: "self.spec.version == 1"
      do: [{work: {mean: 1s}}, {write: {spec: {version: 2}, by: merge-patch}}]
- name: publisher
  runtime: controller-runtime-0.20   # whose queue is client-go's
  controllers:
  - name: publisher
    for: Site
    steps:
    - do: [create: {kind: Page, name: "${name}-${string(self.spec.version)}", exists: ignore, owned: false}]
properties:
- name: its page is there
  eventually: "objects.Page.exists(p, p.metadata.name == name + '-' + string(self.spec.version))"
  within: 30s
- {name: everything settles, always: "true"}   # each pass makes a request
until: {settled_for: 6s, at_most: 2m}
"""
PLANTS = {}


def plant(target, name, workload=CERTIFICATES):
    """Register a mistake: a function of the right one that returns the wrong one, and where it matters."""

    def register(make):
        PLANTS[make.__name__] = (target, name, make, workload)
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
        self._ready = 0
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


# Mistakes that a burst of Certificates cannot show, each with a workload in which it matters.


@plant(Workqueue, "add", CHANGES)
def a_key_added_while_it_is_processed_is_lost(right):
    def wrong(self, key, cause, now):
        return False if key in self._known else right(self, key, cause, now)

    return wrong


@plant(Elector, "_read", REPLICAS)
def a_lease_is_taken_that_another_holds(right):
    def wrong(self, answer):
        if answer.object is not None:
            self._version, self._seen_at = answer.object.resource_version, -(1 << 62)
        right(self, answer)

    return wrong


@plant(Reflector, "_replace")
def a_list_replaces_nothing(right):
    return lambda self, objects: self._connect()


@plant(Reflector, "_connect")
def a_watch_that_broke_is_not_begun_again(right):
    return nothing(right)


@plant(Workers, "_failed")
def what_failed_is_taken_for_done(right):
    return lambda self, key, result: "ok"


@plant(RequestManager, "_wait_for", OLD)
def request_manager_does_not_wait_for_its_request(right):
    return lambda *_: iter(())


@pytest.mark.parametrize("name", PLANTS)
def test_a_planted_mistake_is_found(name, monkeypatch):
    target, attribute, make, workload = PLANTS[name]
    assert not [each for n in range(4) for each in play(prepared(load(workload), SECOND), Schedule(n)).broken]
    monkeypatch.setattr(target, attribute, make(getattr(target, attribute)))
    search = Exploration(load(workload), "guided", 1, InProcess())
    for runs in range(BATCH, 401, BATCH):  # no more than are needed
        search.search(runs)
        if search.broken:
            return
    pytest.fail(f"{name} is not found in {search.runs} runs")


def test_an_operator_is_killed_that_creates_what_it_does_not_watch():
    """Its passes begin while its informers do, and ask for another kind."""
    killed = load(CHANGES + "faults: [{at: 500ms, kill: publisher}]\n")
    assert replicate(killed, 0).broken == []


def test_there_are_twenty():
    assert len(PLANTS) >= 20


# Properties that no mistake above breaks, of loops that are too hot for a search.

SHORT = """
preset: cert-manager-1.21
workload: {certificates: 1}
until: {settled_for: 1s, at_most: 10s}
"""


def test_a_failed_issuance_that_is_tried_again_at_once_is_a_hot_loop(monkeypatch):
    failing = load(
        f"name: failing{SHORT}issuer: {{failure_rate: 1}}\nproperties: [{{name: hot, builtin: no-hot-loop}}]\n"
    )
    assert not replicate(failing, 0).broken
    monkeypatch.setattr(Trigger, "_backoff", lambda *_: 0)
    assert [each.property for each in replicate(failing, 0).broken] == ["hot"]


def test_a_ready_certificate_whose_secret_has_another_key_breaks_its_property(monkeypatch):
    asked = next(each for each in PROPERTIES if each.name == "a Ready Certificate has a Secret whose key matches")
    scenario = load(f"name: keys{SHORT}").model_copy(
        update={"properties": [asked.model_copy(update={"within": SECOND})]}
    )
    assert not replicate(scenario, 0).broken
    right = Issuing._apply_secret

    def wrong(self, certificate, data):
        return right(self, certificate, data | {"tls.key": data["tls.key"]._replace(serial="another")})

    monkeypatch.setattr(Issuing, "_apply_secret", wrong)
    monkeypatch.setattr(policies, "readiness", lambda *_: None)
    assert [each.property for each in replicate(scenario, 0).broken] == [asked.name]

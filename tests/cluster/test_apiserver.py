"""Rules that the recordings do not reach: other kinds, times of entries, preconditions, bad requests."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from sim.cluster.apiserver import ApiServer
from sim.cluster.objects import Object, Write
from sim.cluster.store import Store
from tests.cluster.writes import KINDS, NAME, SPEC, cluster, current, owned


class Key(NamedTuple):
    bits: int
    serial: int


def status(manager: str, fields: dict[str, object], verb: str = "merge-patch", force: bool = False) -> Write:
    return Write(verb, "Certificate", NAME, {"status": fields}, manager, "status", force)


def names(item: Object) -> list[str]:
    return [entry.manager for entry in item.managers]


class TestTimes:
    def test_entries_are_stored_by_operation_then_time_then_name(self) -> None:
        store, api = cluster()
        api.handle(status("b", {"revision": 1}), 5)
        api.handle(status("a", {"notAfter": "2026-01-01T00:00:00Z"}), 4)
        api.handle(status("z", {"conditions": [{"type": "Ready", "status": "True"}]}, "apply"), 9)
        assert names(current(store)) == ["z", "kubectl", "a", "b"]

    def test_an_apply_that_changes_no_value_leaves_an_entry_without_time_first(self) -> None:
        store, api = cluster()
        api.handle(status("b", {"revision": 1}, "apply"), 5)
        answer = api.handle(status("z", {"revision": 1}, "apply"), 7)
        assert answer.written
        assert [(entry.manager, entry.time) for entry in current(store).managers] == [
            ("z", -1),
            ("b", 5),
            ("kubectl", 1),
        ]

    def test_a_removal_gives_no_entry_a_new_time(self) -> None:
        store, api = cluster()
        api.handle(status("b", {"revision": 1, "notAfter": "2026-01-01T00:00:00Z"}), 5)
        assert api.handle(status("c", {"revision": None}), 9).written
        assert [(entry.manager, entry.time) for entry in current(store).managers] == [
            ("kubectl", 1),
            ("b", 5),
        ]

    def test_the_oldest_updates_are_merged_beyond_ten(self) -> None:
        store, api = cluster()
        for second in range(10):  # with kubectl's create these are eleven
            body = {"metadata": {"annotations": {f"k{second}": "v"}}}
            api.handle(Write("merge-patch", "Certificate", NAME, body, f"bot-{second}"), 10 + second)
        item = current(store)
        assert names(item) == ["ancient-changes", *(f"bot-{second}" for second in range(1, 10))]
        assert item.managers[0].time == 10  # that of the later of the two
        assert {".spec.secretName", ".metadata.annotations.k0"} <= owned(item, "ancient-changes", "Update")

    def test_an_older_entry_moves_where_its_manager_writes_again(self) -> None:
        store, api = cluster()
        api.handle(status("a", {"revision": 1}), 2)
        api.handle(status("b", {"notAfter": "2026-01-01T00:00:00Z"}), 3)
        api.handle(status("a", {"revision": 2}), 4)
        assert names(current(store)) == ["kubectl", "b", "a"]


class TestOwnership:
    def test_tracking_starts_with_the_first_apply_after_a_reset(self) -> None:
        store, api = cluster()
        reset = Write("merge-patch", "Certificate", NAME, {"metadata": {"managedFields": [{}]}}, "x")
        assert api.handle(reset, 2).written
        assert current(store).managers == ()
        api.handle(status("b", {"revision": 1}), 3)
        assert current(store).managers == ()
        api.handle(status("c", {"revision": 1}, "apply"), 4)
        assert names(current(store)) == ["c", "before-first-apply"]
        assert ".status.revision" in owned(current(store), "before-first-apply", "Update", "status")

    def test_an_empty_list_does_not_reset(self) -> None:
        store, api = cluster()
        api.handle(Write("merge-patch", "Certificate", NAME, {"metadata": {"managedFields": []}}, "x"), 2)
        assert names(current(store)) == ["kubectl"]

    def test_given_entries_replace_the_stored_ones(self) -> None:
        store, api = cluster()
        entry = {
            "manager": "zed",
            "operation": "Update",
            "apiVersion": "cert-manager.io/v1",
            "fieldsType": "FieldsV1",
            "fieldsV1": {"f:spec": {".": {}, "f:secretName": {}}},
            "time": "1970-01-01T00:00:03Z",
        }
        api.handle(Write("merge-patch", "Certificate", NAME, {"metadata": {"managedFields": [entry]}}, "x"), 2)
        item = current(store)
        assert names(item) == ["zed"]
        assert item.managers[0].time == 3
        assert owned(item, "zed", "Update") == {".spec", ".spec.secretName"}

    def test_labels_sent_to_the_status_are_owned_but_not_stored(self) -> None:
        store, api = cluster()
        before = current(store)
        body = {"metadata": {"labels": {"a": "b"}}, "status": {"revision": 1}}
        write = Write("update", "Certificate", NAME, body, "x", "status", False, before.resource_version)
        api.handle(write, 2)
        item = current(store)
        assert item.labels == {}
        assert owned(item, "x", "Update", "status") == {
            ".metadata.labels",
            ".metadata.labels.a",
            ".status",
            ".status.revision",
        }

    def test_another_order_of_conditions_is_stored_and_owned_by_nobody_new(self) -> None:
        store, api = cluster()
        ready, issuing = ({"type": type_, "status": "True"} for type_ in ("Ready", "Issuing"))
        api.handle(status("a", {"conditions": [ready, issuing]}), 2)
        before = current(store)
        assert api.handle(status("b", {"conditions": [issuing, ready]}), 3).written
        item = current(store)
        assert item.status == {"conditions": [issuing, ready]}
        assert item.managers == before.managers

    def test_an_apply_that_empties_labels_leaves_a_version_that_any_write_stores_again(self) -> None:
        store, api = cluster()
        body = {"metadata": {"labels": {"a": "1"}}}
        api.handle(Write("merge-patch", "Certificate", NAME, body, "x"), 2)
        api.handle(Write("apply", "Certificate", NAME, body, "y"), 3)
        api.handle(Write("apply", "Certificate", NAME, {"metadata": {"labels": {"a": "2"}}}, "y", "", True), 4)
        api.handle(Write("apply", "Certificate", NAME, {"spec": {"commonName": "c"}}, "y"), 5)
        item = current(store)
        assert item.labels == {}
        assert ".metadata.labels" in owned(item, "x", "Update")
        assert item.lossy
        nothing = Write("merge-patch", "Certificate", NAME, {}, "z")
        assert api.handle(nothing, 6).written
        assert not api.handle(nothing, 7).written


class TestSecrets:
    def create(self, **body: object) -> tuple[Store, ApiServer, Object]:
        store = Store(KINDS)
        api = ApiServer(store)
        write = Write("create", "Secret", "s", {"data": {"tls.key": Key(2048, 1)}, **body}, "km", owner="u")
        answer = api.handle(write, 1)
        assert answer.code == 201
        assert answer.object is not None
        return store, api, answer.object

    def test_type_defaults_to_opaque_and_is_owned(self) -> None:
        _, _, item = self.create()
        assert item.type == "Opaque"
        assert item.generation == 0
        assert item.owner == "u"
        assert owned(item, "km", "Update") == {".data", ".data.tls.key", ".type"}

    def test_data_may_be_anything_and_is_owned_key_by_key(self) -> None:
        store, api, _ = self.create()
        body = {"data": {"tls.crt": Key(0, 2)}}
        assert api.handle(Write("apply", "Secret", "s", body, "issuing", "", True), 2).written
        item = store.get("Secret", "s")
        assert item is not None
        assert item.data == {"tls.key": Key(2048, 1), "tls.crt": Key(0, 2)}
        assert owned(item, "issuing") == {".data.tls.crt"}
        assert not api.handle(Write("apply", "Secret", "s", {"data": {"tls.crt": Key(0, 2)}}, "issuing"), 3).written

    def test_an_update_needs_no_version(self) -> None:
        store, api, item = self.create()
        body = {"data": {"tls.key": Key(1, 1)}, "type": "Opaque"}
        assert api.handle(Write("update", "Secret", "s", body, "x"), 2).written
        stale = Write("update", "Secret", "s", body, "x", "", False, item.resource_version)
        assert api.handle(stale, 2).reason == "Conflict"
        assert store.revision == item.resource_version + 1

    def test_the_type_never_changes(self) -> None:
        _, api, _ = self.create()
        answer = api.handle(Write("merge-patch", "Secret", "s", {"type": "kubernetes.io/tls"}, "x"), 2)
        assert answer.code == 422
        assert answer.message == ('Secret "s" is invalid: type: Invalid value: "kubernetes.io/tls": field is immutable')

    def test_there_is_no_status_subresource(self) -> None:
        _, api, _ = self.create()
        assert api.handle(Write("merge-patch", "Secret", "s", {"status": {}}, "x", "status"), 2).code == 404


class TestEvents:
    def test_events_keep_their_data_and_no_owners(self) -> None:
        store = Store(KINDS)
        api = ApiServer(store)
        data = {"reason": "Issuing", "count": 1}
        item = api.handle(Write("create", "Event", "e", {"data": data}, "x"), 1).object
        assert item is not None
        assert item.data is data
        assert item.managers == ()
        answer = api.handle(Write("merge-patch", "Event", "e", {"data": {"count": 2}}, "x"), 2)
        assert answer.object is not None
        assert answer.object.data == {"reason": "Issuing", "count": 2}
        assert data["count"] == 1
        assert not api.handle(Write("merge-patch", "Event", "e", {"data": {"count": 2}}, "x"), 2).written

    def test_an_event_is_gone_an_hour_after_its_last_write(self) -> None:
        store = Store(KINDS)
        api = ApiServer(store)
        for name in ("once", "again"):
            api.handle(Write("create", "Event", name, {"data": {"count": 1}}, "x"), 0)
        api.handle(Write("merge-patch", "Event", "again", {"data": {"count": 2}}, "x"), 1800)
        api.handle(Write("create", "Event", "early", {"data": {}}, "x"), 3600)
        assert store.get("Event", "once") is not None
        revision = store.revision
        assert api.handle(Write("merge-patch", "Event", "once", {"data": {"count": 2}}, "x"), 3601).code == 404
        assert store.revision == revision + 1  # its deletion
        assert api.handle(Write("merge-patch", "Event", "again", {"data": {"count": 3}}, "x"), 5400).code == 200
        api.handle(Write("create", "Event", "late", {"data": {}}, "x"), 7202)
        assert [event.name for event in store.list("Event")] == ["again", "late"]


class TestRequests:
    def test_free_fields_and_an_owner(self) -> None:
        store = Store(KINDS)
        api = ApiServer(store)
        body = {"spec": {"request": Key(1, 2), "revision": 3, "issuerRef": {"name": "ca"}}}
        answer = api.handle(Write("create", "CertificateRequest", "r", body, "rm", owner="uid-9"), 1)
        item = answer.object
        assert item is not None
        assert (answer.code, item.owner, item.generation) == (201, "uid-9", 1)
        approved = {"conditions": [{"type": "Approved", "status": "True"}]}
        write = Write("apply", "CertificateRequest", "r", {"status": approved}, "approver", "status", True)
        assert api.handle(write, 2).written
        signed = {"conditions": [{"type": "Ready", "status": "True"}], "certificate": Key(3, 4)}
        write = Write("apply", "CertificateRequest", "r", {"status": signed}, "ca", "status", True)
        after = api.handle(write, 3).object
        assert after is not None
        assert after.status == {
            "conditions": [*approved["conditions"], *signed["conditions"]],
            "certificate": Key(3, 4),
        }
        assert after.spec is item.spec


class TestPreconditions:
    def test_create_of_a_taken_name(self) -> None:
        store, api = cluster()
        answer = api.handle(Write("create", "Certificate", NAME, {"spec": SPEC}, "x"), 2)
        assert (answer.code, answer.reason) == (409, "AlreadyExists")
        assert answer.message == 'certificates.cert-manager.io "c" already exists'
        assert not answer.field_conflict
        assert answer.object is current(store)

    def test_an_invalid_create_of_a_taken_name_is_invalid(self) -> None:
        _, api = cluster()
        assert api.handle(Write("create", "Certificate", NAME, {"spec": {}}, "x"), 2).code == 422

    def test_a_recreated_object_has_another_uid(self) -> None:
        store, api = cluster()
        old = current(store)
        gone = api.handle(Write("delete", "Certificate", NAME, {}, uid=old.uid), 2)
        assert (gone.code, gone.object, gone.written) == (200, old, True)
        assert store.get("Certificate", NAME) is None
        assert store.revision == old.resource_version + 1
        api.handle(Write("create", "Certificate", NAME, {"spec": SPEC}, "x"), 3)
        new = current(store)
        assert new.uid != old.uid
        refused = api.handle(Write("delete", "Certificate", NAME, {}, uid=old.uid), 4)
        assert (refused.code, refused.object) == (409, new)
        assert "UID in the precondition" in refused.message

    def test_a_patch_with_another_uid(self) -> None:
        store, api = cluster()
        for verb in ("apply", "merge-patch"):
            answer = api.handle(Write(verb, "Certificate", NAME, {"spec": {}}, "x", uid="other"), 2)
            assert (answer.code, len(answer.causes)) == (422, 2)
            assert answer.message == (
                'Certificate.cert-manager.io "c" is invalid: metadata.uid: Invalid value: "other": field is immutable'
            )
            status = Write(verb, "Certificate", NAME, {"status": {}}, "x", "status", uid="other")
            assert api.handle(status, 2).code == 200  # as measured: metadata of a status write is ignored
        missing = Write("apply", "Certificate", "other", {"spec": SPEC}, "x", uid="other")
        assert "uid mismatch" in api.handle(missing, 2).message
        assert store.get("Certificate", "other") is None

    def test_create_and_apply_without_what_they_need(self) -> None:
        _, api = cluster()
        create = Write("create", "Certificate", "d", {"spec": SPEC}, "x", resource_version=1)
        assert api.handle(create, 1).code == 500
        nameless = Write("apply", "Certificate", NAME, {"spec": {}})
        assert api.handle(nameless, 1).message == (
            'PatchOptions.meta.k8s.io "" is invalid: fieldManager: Required value: is required for apply patch'
        )

    @pytest.mark.parametrize(
        ("write", "code"),
        [
            (Write("frobnicate", "Certificate", NAME, {}), 404),
            (Write("update", "Pod", NAME, {}), 404),
            (Write("update", "Certificate", NAME, [], resource_version=2), 400),  # type: ignore[arg-type]
            (Write("merge-patch", "Certificate", NAME, {"spec": 7}), 422),
            (Write("merge-patch", "Certificate", NAME, {"metadata": 7}), 422),
            (Write("merge-patch", "Certificate", NAME, {"metadata": {"labels": {"a": 1}}}), 422),
            (Write("apply", "Certificate", NAME, {"metadata": {"labels": {"a": 1}}}, "x"), 500),
            (Write("apply", "Certificate", NAME, {"metadata": 7}, "x"), 500),
            (Write("apply", "Event", NAME, {}, "x"), 415),
            (Write("apply", "Certificate", NAME, {"status": {}}, "x", "scale"), 404),
        ],
    )
    def test_bad_requests_are_answered(self, write: Write, code: int) -> None:
        store, api = cluster()
        before = current(store)
        answer = api.handle(write, 2)
        assert answer.code == code
        assert answer.message
        assert not answer.written
        assert current(store) is before


def test_reading() -> None:
    store, api = cluster()
    assert api.read("Certificate", NAME).object is current(store)
    assert api.read("Certificate", "nope").message == 'certificates.cert-manager.io "nope" not found'


def test_one_revision_for_all_kinds_and_uids_that_repeat() -> None:
    uids = []
    for _ in range(2):
        store, api = cluster()
        api.handle(Write("create", "Secret", "s", {"data": {}}, "x"), 1)
        api.handle(Write("create", "Event", "e", {"data": {}}, "x"), 1)
        found = [store.get(kind, name) for kind, name in (("Certificate", NAME), ("Secret", "s"), ("Event", "e"))]
        assert [item.resource_version for item in found if item] == [2, 3, 4]
        assert [item.name for item in store.list("Secret")] == ["s"]
        uids.append([item.uid for item in found if item])
    assert uids[0] == uids[1]


def test_a_message_is_made_only_when_it_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    monkeypatch.setattr("sim.cluster.messages.stale", lambda kind, name: made.append(name) or ("text", ()))
    _, api = cluster()
    answer = api.handle(Write("update", "Certificate", NAME, {"status": {}}, "x", "status", False, 1), 2)
    assert made == []
    assert answer.message == "text"
    assert answer.causes == ()
    assert made == [NAME]


def test_paths_are_interned_once() -> None:
    paths = KINDS["Certificate"].paths
    store, api = cluster()
    api.handle(status("a", {"conditions": [{"type": "Ready", "status": "True"}]}), 1)
    known = len(paths.known)
    for second in range(3):
        api.handle(status("b", {"conditions": [{"type": "Ready", "status": ("True", "False")[second % 2]}]}), 1)
    assert len(paths.known) == known
    assert len({path.name() for path in paths.known}) == known
    assert current(store).managers[-1].fields.bit_length() <= known

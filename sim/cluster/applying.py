"""Server-side apply, for kinds that a schema describes (apiserver ``pkg/endpoints/handlers/patch.go``)."""

from __future__ import annotations

from typing import Any

from sim.cluster import decoding, messages
from sim.cluster.golang import compact
from sim.cluster.managing import LAST_APPLIED, FieldConflictError, UntypedError
from sim.cluster.messages import Response
from sim.cluster.ownership import Managers
from sim.cluster.storing import Storing
from sim.scenario.kinds.structural import Schema


class Applying(Storing):
    """One apply being answered."""

    def answer(self) -> Response:
        """The answer to it."""
        write, kind, live = self.write, self.kind, self.live
        body = write.body
        if not write.manager:
            self._refuse(422, "Invalid", messages.no_manager)
        given = body.get("metadata") or {}
        if live is None and write.subresource:
            self._refuse(404, "NotFound", messages.not_found, kind, write.name)
        version, name = body.get("apiVersion", kind.api_version), body.get("kind", kind.name)
        if (version, name) != (kind.api_version, kind.name):
            self._refuse(400, "BadRequest", messages.plain, f"invalid object type: {version}, Kind={name}")
        if isinstance(given, dict):
            self._check_names({key: given.get(key) or "" for key in ("name", "namespace")})
        base, managers = self._before()
        if isinstance(given, dict) and given.get("managedFields") is not None:
            self._refuse(400, "BadRequest", messages.plain, "metadata.managedFields must be nil")
        config = {"apiVersion": version, "kind": name, **body}
        if isinstance(given, dict):
            config["metadata"] = {"name": write.name, **given}
        try:
            kind.ownership.check(config, duplicates=False)
        except UntypedError as error:
            namespace = given.get("namespace", "") if isinstance(given, dict) else ""
            self._refuse(500, "", messages.untyped, kind, write.name, str(error), namespace)
        new, managers = self._merge(base, managers, config)
        if live is None:
            return self._insert_applied(new or config, managers)
        wanted = given.get("resourceVersion")
        wanted = str(write.resource_version) if write.resource_version is not None else wanted
        if wanted is not None:
            self._check_version(wanted or str(live.resource_version))
        whole = dict(self.live_whole) if new is None else _with_defaults(new, kind.schema)
        whole["metadata"] = dict(whole.get("metadata") or {})
        uid = write.uid if write.uid is not None else given.get("uid")
        whole["metadata"]["uid"] = uid or live.uid
        return self._replace(whole, managers)

    def _before(self) -> tuple[dict[str, Any], Managers]:
        """What the configuration is merged into, and its managers."""
        write, kind, live = self.write, self.kind, self.live
        if live is None:
            return {"apiVersion": kind.api_version, "kind": kind.name}, ()
        base = {**self.live_whole, "metadata": dict(self.live_whole["metadata"])}
        base["metadata"].pop("managedFields", None)
        if live.managers:
            return base, live.managers
        try:
            return base, kind.ownership.before_first_apply(base, write.subresource, self.now)
        except UntypedError as error:
            self._refuse(500, "", messages.untyped_live, kind, write.name, str(error))

    def _merge(
        self, base: dict[str, Any], managers: Managers, config: dict[str, Any]
    ) -> tuple[dict[str, Any] | None, Managers]:
        """Merge a configuration into the live object: the new one, ``None`` where nothing changes, and its managers."""
        write, kind = self.write, self.kind
        applied = {
            **config,
            "metadata": {k: v for k, v in (config.get("metadata") or {}).items() if k != "managedFields"},
        }
        try:
            new, managers = kind.ownership.apply(
                managers, base, applied, write.manager, write.subresource, self.now, force=write.force
            )
        except FieldConflictError as error:
            self._refuse(409, "Conflict", messages.apply_conflict, kind, write.name, error.conflicts)
        if write.manager == "kubectl":
            new = self._with_last_applied(new, config)
        return new, managers

    def _with_last_applied(self, new: dict[str, Any] | None, config: dict[str, Any]) -> dict[str, Any] | None:
        """Keep kubectl's annotation up to date where the object has it (``lastappliedupdater.go``)."""
        whole = new if new is not None else self.live_whole
        metadata = whole.get("metadata") or {}
        annotations = metadata.get("annotations") or {}
        if not annotations.get(LAST_APPLIED):
            return new
        sent = dict(config.get("metadata") or {})
        if sent.get("annotations"):
            sent["annotations"] = {key: text for key, text in sent["annotations"].items() if key != LAST_APPLIED}
        text = compact({**config, "metadata": sent}) + "\n"
        return {**whole, "metadata": {**metadata, "annotations": {**annotations, LAST_APPLIED: text}}}

    def _insert_applied(self, new: dict[str, Any], managers: Managers) -> Response:
        write, metadata = self.write, new.get("metadata") or {}
        uid = write.uid if write.uid is not None else metadata.get("uid")
        if uid:
            self._refuse(409, "Conflict", messages.no_object_with_uid, self.kind, write.name, uid)
        whole = _with_defaults(new, self.kind.schema)
        whole["metadata"] = dict(metadata)
        return self._insert(whole, managers)


def _with_defaults(whole: dict[str, Any], schema: Schema) -> dict[str, Any]:
    """A whole object with the defaults of its schema."""
    parts = {name: part for name, part in whole.items() if name not in {"apiVersion", "kind", "metadata"}}
    return {**whole, **decoding.defaulted(parts, schema)}

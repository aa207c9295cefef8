"""challenges: presents the answer to a Challenge, checks that it can be seen, and has the server validate it.

Follows pkg/controller/acmechallenges/{controller,sync,update}.go at v1.12.9 and v1.21.1. What a pass has changed is
written at its end: the status, then the finalizers. A check holds the worker for ten seconds (http01) or a minute
(dns01).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sim.client import writes
from sim.client.conditions import Status
from sim.client.effects import Failure, Reconcile, Result, Send
from sim.cluster.messages import Response
from sim.cluster.objects import Object, Write
from sim.families.certmanager.acme.base import AcmeController
from sim.families.certmanager.acme.client import UNREACHABLE, AcmeClient, Steps, UnreachableError
from sim.families.certmanager.acme.kinds import FAILED, FINAL
from sim.families.certmanager.acme.server import AcmeProblem
from sim.families.certmanager.acme.solvers import Dns01, Http01, Solver, Visible
from sim.kernel.clock import rfc3339
from sim.units import MINUTE

if TYPE_CHECKING:
    from sim.families.certmanager.manager import CertManager

MALFORMED = "urn:ietf:params:acme:error:malformed"
GIVES_UP_WAITING = 2 * MINUTE
"""Since 1.16: how long WaitAuthorization may take."""


class Challenges(AcmeController):
    """Writes status and finalizers of Challenges."""

    name = "challenges"
    label = "challenges"
    kind = "Challenge"

    def __init__(self, manager: CertManager, client: AcmeClient, visible: Visible) -> None:
        super().__init__(manager, client)
        self.finalizer = self.release.acme_finalizer
        self.solver: Solver = (Http01 if self.scenario.issuer.challenge == "http01" else Dns01)(self, visible)

    def register(self) -> None:
        """Woken by Challenges alone."""
        self.manager.informer("Challenge").add_handler(self.workers.add_object)

    def reconcile(self, challenge: Object) -> Reconcile | None:
        """Sync of acmechallenges/sync.go."""
        if self.release.acme_finalizers_applied:
            return self._newer(challenge)
        status, ours = challenge.status or {}, challenge.finalizers[:1] == (self.finalizer,)
        if challenge.deleted is not None:
            return self._finish(challenge) if ours else None
        if not status.get("processing"):
            return None
        if self.finalizer not in challenge.finalizers:
            return self._finalizers(challenge, [*challenge.finalizers, self.finalizer])
        if status.get("state", "") in FINAL:
            return self._clean(challenge)
        return self._then_saved(challenge)

    def _newer(self, challenge: Object) -> Reconcile | None:
        """Since 1.20: what is finished or deleted is cleaned up and let go first, its status reset in a later pass."""
        status = challenge.status or {}
        if challenge.deleted is not None or status.get("state", "") in FINAL:
            if self.finalizer in challenge.finalizers:
                return self._let_go(challenge)
            if not (status.get("presented") or status.get("processing")):
                return None
            return self.saved(challenge, {**status, "presented": False, "processing": False})
        if not status.get("processing"):
            return None
        if self.finalizer not in challenge.finalizers:
            return self._finalizers(challenge, [self.finalizer])
        return self._then_saved(challenge)

    # What is finished.

    def _clean(self, challenge: Object) -> Reconcile:
        """1.12: a final state: clean up, and say so in one status write."""
        status = dict(challenge.status or {})
        if status.get("presented"):
            failed = yield from self._cleaned(challenge, status)
            if failed is not None:
                written = yield from self.saved(challenge, status)
                return failed if written is None else written
            status["presented"] = False
        status["processing"] = False
        return (yield from self.saved(challenge, status))

    def _finish(self, challenge: Object) -> Reconcile:
        """1.12: deleted: clean up if it is under way, and let it go even if that failed."""
        status = dict(challenge.status or {})
        copy: Object | None = challenge
        if status.get("processing") and (yield from self._cleaned(challenge, status)) is not None:
            copy = yield from self._saved_first(challenge, status)
        if copy is None:
            return None
        return (yield from self._finalizers(copy, list(challenge.finalizers[1:])))

    def _saved_first(self, challenge: Object, status: Status) -> Steps[Object | None]:
        """Write the status and return the object to go on from; None where it is gone."""
        response: Response = yield self.status_write(challenge, lambda _: status, dict)
        if response.code == 404:
            return None
        return response.object if response.code < 400 else challenge

    def _let_go(self, challenge: Object) -> Reconcile:
        status = dict(challenge.status or {})
        failed = yield from self._cleaned(challenge, status)
        if failed is not None:
            written = yield from self.saved(challenge, status)
            return failed if written is None else written
        return (yield from self._finalizers(challenge, []))

    def _cleaned(self, challenge: Object, status: Status) -> Reconcile:
        failed = yield from self.solver.clean_up(challenge)
        if isinstance(failed, Failure | Response):
            message = failed.message
            self.event(challenge, "CleanUpError", f"Error cleaning up challenge: {message}", "Warning")
            status["reason"] = message
        return failed

    def _finalizers(self, challenge: Object, finalizers: list[str]) -> Reconcile:
        """Bring the finalizers to the server; a Challenge that is gone ends it silently."""
        response = yield Send(self._with_finalizers(challenge, finalizers), self.about(challenge), challenge)
        return response if response.code >= 400 and response.code != 404 else None

    def _with_finalizers(self, challenge: Object, finalizers: list[str]) -> Write:
        manager = self.field_manager
        fields = {"metadata": {"finalizers": finalizers}}
        if self.release.acme_finalizers_applied or self.strategy == "apply":
            write = writes.apply(challenge.kind, challenge.name, fields, manager=manager)
            write.uid = challenge.uid  # so that it never makes one that is gone anew
            if not self.release.acme_finalizers_applied:
                # internal/controller/challenges/apply.go: all of the metadata, its version too, and the spec.
                kept = {"annotations": challenge.annotations, "ownerReferences": list(challenge.owners)}
                write.body = {"metadata": {**kept, **fields["metadata"]}, "spec": challenge.spec}
                write.resource_version = challenge.resource_version
            return write
        return writes.set_fields("update", fields, read=challenge, manager=manager)

    # What is under way.

    def _then_saved(self, challenge: Object) -> Reconcile:
        status = dict(challenge.status or {})
        try:
            result = yield from self._step(challenge, status)
        except UnreachableError:
            result = Failure(UNREACHABLE)
        written = yield from self.saved(challenge, status)
        if isinstance(written, Response) and written.code == 404:
            written = None
        return result if written is None else written

    def _step(self, challenge: Object, status: Status) -> Steps[Result]:
        """Find the state, or present, check and have it validated; changes ``status``."""
        assert challenge.spec is not None
        url = challenge.spec["authorizationURL"]
        if not status.get("state"):
            found = yield from self.client.authorization(url)
            if isinstance(found, AcmeProblem):
                return self._refused(status, found)
            status["state"] = found[1]
            return None
        if not status.get("presented"):
            failed = yield from self.solver.present(challenge)
            if isinstance(failed, Failure | Response):
                self.event(challenge, "PresentError", f"Error presenting challenge: {failed.message}", "Warning")
                status["reason"] = failed.message
                return failed
            status["presented"] = True
            if self.release.acme_finalizers_applied:
                status["presentedAt"] = rfc3339(self.now_s)
            type_ = challenge.spec["type"]
            self.event(challenge, "Presented", f"Presented challenge using {type_} challenge mechanism")
        failed = yield from self.solver.check(challenge)
        if isinstance(failed, Failure | Response):
            status["reason"] = f"Waiting for {challenge.spec['type']} challenge propagation: {failed.message}"
            period = self.scenario.controllers.check_retry_period
            self.workers.delayed.add_after(challenge.name, period, "requeue")
            return None
        return (yield from self._validate(challenge, status, url))

    def _validate(self, challenge: Object, status: Status, url: str) -> Steps[Result]:
        """acceptChallenge: hold the worker until the server has decided."""
        assert challenge.spec is not None
        accepted = yield from self.client.accept(url)
        if isinstance(accepted, AcmeProblem):
            status["reason"] = f"Error accepting challenge: {accepted}"
            return self._refused(status, accepted)
        status["state"] = accepted[1]
        longest = GIVES_UP_WAITING if self.release.acme_wait_limited else None
        state = yield from self.client.wait_authorization(url, longest)
        if state is None:
            return Failure("error waiting for authorization: context deadline exceeded")
        if isinstance(state, AcmeProblem):
            return self._refused(status, state)
        status["state"] = state
        name = challenge.spec["dnsName"]
        if state in FAILED:
            words = f"acme: authorization error for {name}: 403 urn:ietf:params:acme:error:unauthorized"
            status["reason"] = f"Error accepting authorization: {words}"
            self.event(challenge, "Failed", f"Accepting challenge authorization failed: {words}", "Warning")
            return None
        status["reason"] = "Successfully authorized domain"
        self.event(challenge, "DomainVerified", f'Domain "{name}" verified with "{challenge.spec["type"]}" validation')
        return None

    @staticmethod
    def _refused(status: Status, problem: AcmeProblem) -> Result:
        """handleError: malformed is an expired authorization, other 4xx an error for good."""
        if problem.status >= 500:
            return Failure(str(problem))
        status["state"] = "expired" if problem.type == MALFORMED else "errored"
        if problem.type != MALFORMED:
            status["reason"] = f"Failed to retrieve Order resource: {problem}"
        return None

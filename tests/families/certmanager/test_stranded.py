from __future__ import annotations

from sim.cluster.objects import Object
from sim.experiment.replicate import world_of
from sim.scenario.model import Scenario
from sim.scenario.profile import Profile
from sim.units import MS, SECOND
from sim.world.world import World
from tests.families.certmanager.runs import condition

# The Secrets' cache lags the Certificates' by more than where it was recorded, so that what happens there to
# one Certificate in a hundred happens here in a few replications.
LAGGING = Profile.model_validate({"watch": {"lag": {"p50": 5 * MS, "p90": 60 * MS}}})


def ended(strategy: str, preset: str, replications: int) -> list[World]:
    scenario = Scenario.model_validate(
        {
            "name": "stranded",
            "preset": preset,
            "strategy": strategy,
            "workload": {"certificates": 100},
            "controllers": {"workers": 20},
            "client": {"qps": 250.0, "burst": 500},
            "until": {"at_most": 20 * SECOND},
        }
    )
    clusters = [world_of(scenario, index, LAGGING) for index in range(replications)]
    for cluster in clusters:
        cluster.run()
    return clusters


def stranded(cluster: World) -> list[Object]:
    found = []
    for certificate in cluster.api.store.list("Certificate"):
        issuing = condition(certificate.status or {}, "Issuing")
        if issuing is not None and issuing["status"] == "True":
            found.append(certificate)
    return found


def test_a_lagging_secret_strands_certificates_under_update_as_recorded():
    clusters = ended("update", "cert-manager-1.12.9", 6)
    found = [(cluster, certificate) for cluster in clusters for certificate in stranded(cluster)]
    assert found
    pending = 0
    for cluster, certificate in found:
        status = certificate.status or {}
        ready = condition(status, "Ready")
        assert ready is not None
        # Issuing for good, while the certificate of the issuance before is there and Ready.
        assert ready["status"] == "True"
        requests = [each for each in cluster.api.store.list("CertificateRequest") if each.owner == certificate.uid]
        following = str(status["revision"] + 1)
        again = [each for each in requests if each.annotations["cert-manager.io/certificate-revision"] == following]
        for request in again:
            why = condition(request.status or {}, "Ready")
            pending += why is not None and why["reason"] == "Pending" and "not found" in why["message"]
        # And nobody is on it any more.
        last = max(row[17] for row in cluster.listener.requests if row[6] == certificate.name)
        assert last < cluster.sim.now - 5 * SECOND
    assert pending > 0


def test_1_21_strands_nobody():
    assert [stranded(cluster) for cluster in ended("update", "cert-manager-1.21", 3)] == [[]] * 3

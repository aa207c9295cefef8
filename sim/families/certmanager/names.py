"""Annotations by which cert-manager's controllers find each other's objects (pkg/apis/certmanager/v1/types.go)."""

from __future__ import annotations

REVISION = "cert-manager.io/certificate-revision"
PRIVATE_KEY = "cert-manager.io/private-key-secret-name"
CERTIFICATE_NAME = "cert-manager.io/certificate-name"

"""A node of Kafka with encryption, logins and permissions, and who may do what on it."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path

from kafka import KafkaAdminClient
from kafka.admin import ACL, ACLOperation, ACLPermissionType, ResourcePattern, ResourceType

from tests.kafka.cluster import HOST, Cluster

USER, PASSWORD = "watcher", "correct horse"
#: Listener -> protocol. Whoever comes by the plain one or by TLS without a certificate is the
#: anonymous client, which may do all: the tests' own way in.
LISTENERS = {"TLS": "SSL", "MUTUAL": "SSL", "SCRAM": "SASL_PLAINTEXT", "LOGIN": "SASL_SSL"}
STORAGE = [
    argument
    for mechanism in ("SCRAM-SHA-256", "SCRAM-SHA-512")
    for argument in ("--add-scram", f"{mechanism}=[name={USER},password={PASSWORD}]")
]


class Authority:
    """A certificate authority of our own: `ca`, a `server` certificate for loopback, a `client`'s."""

    def __init__(self, folder: Path) -> None:
        self.ca = folder / "ca.pem"
        key = folder / "ca.key"
        _openssl(
            "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=Test authority",
            "-keyout", key, "-out", self.ca,
        )  # fmt: skip
        self.server, self.server_key = self._issue(folder / "server", "localhost", key)
        self.client, self.client_key = self._issue(folder / "client", USER, key)
        self.keystore = folder / "keystore.pem"
        self.keystore.write_text(self.server_key.read_text() + self.server.read_text())

    def _issue(self, stem: Path, name: str, key: Path) -> tuple[Path, Path]:
        certificate, own = stem.with_suffix(".pem"), stem.with_suffix(".key")
        request, names = stem.with_suffix(".csr"), stem.with_suffix(".ext")
        names.write_text(f"subjectAltName=IP:{HOST},DNS:localhost\n")
        _openssl(
            "req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}", "-keyout", own, "-out", request
        )
        _openssl(
            "x509", "-req", "-days", "2", "-in", request, "-CA", self.ca, "-CAkey", key, "-CAcreateserial",
            "-extfile", names, "-out", certificate,
        )  # fmt: skip
        return certificate, own


def properties(authority: Authority) -> dict[str, str]:
    """What `Cluster` adds to its node so that the listeners above work."""
    scram = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
    plain = (
        "org.apache.kafka.common.security.plain.PlainLoginModule required"
        f' user_{USER}="{PASSWORD}";'
    )  # fmt: skip
    return {
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": "User:ANONYMOUS",
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(authority.keystore),
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": str(authority.ca),
        "listener.name.mutual.ssl.client.auth": "required",
        "listener.name.scram.sasl.enabled.mechanisms": "SCRAM-SHA-256,SCRAM-SHA-512",
        "listener.name.scram.scram-sha-256.sasl.jaas.config": scram,
        "listener.name.scram.scram-sha-512.sasl.jaas.config": scram,
        "listener.name.login.sasl.enabled.mechanisms": "SCRAM-SHA-256,SCRAM-SHA-512,PLAIN",
        "listener.name.login.scram-sha-256.sasl.jaas.config": scram,
        "listener.name.login.scram-sha-512.sasl.jaas.config": scram,
        "listener.name.login.plain.sasl.jaas.config": plain,
    }


def grant(cluster: Cluster, prefix: str, operations: Mapping[str, str], user: str = USER) -> None:
    """Let the user do these: what the prefix is put before (`group` is the group) -> operations."""
    _change(cluster, _rules(prefix, operations, user, ACLPermissionType.ALLOW))


def forbid(cluster: Cluster, prefix: str, operations: Mapping[str, str], *, lift: bool = False) -> None:
    """Forbid the user these, whatever is granted; or `lift` that."""
    _change(cluster, _rules(prefix, operations, USER, ACLPermissionType.DENY), delete=lift)


def _rules(prefix: str, operations: Mapping[str, str], user: str, effect: ACLPermissionType) -> list[ACL]:
    rules = []
    for name, wanted in operations.items():
        kind = ResourceType.GROUP if name == "group" else ResourceType.TOPIC
        resource = ResourcePattern(kind, prefix if name == "group" else f"{prefix}.{name}")
        rules += [ACL(f"User:{user}", "*", ACLOperation[one], effect, resource) for one in wanted.split()]
    return rules


def _change(cluster: Cluster, rules: list[ACL], *, delete: bool = False) -> None:
    admin = KafkaAdminClient(bootstrap_servers=cluster.bootstrap)
    try:
        if delete:
            assert all(deleted for _, deleted, _ in admin.delete_acls(rules))
        elif rules:
            assert not admin.create_acls(rules)["failed"]
    finally:
        admin.close()


def _openssl(*arguments: str | Path) -> None:
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)

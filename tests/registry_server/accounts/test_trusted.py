"""Trusted publishing against an issuer of the test's own."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from registry_server.accounts.identity import OPERATOR, Scope
from registry_server.publishing.workflows import Workflow, register
from registry_server.settings import Settings
from tests.support.registry import Registry, bearer, registry
from tests.support.registry_packs import pack

WORKFLOW = "acme/probe/.github/workflows/publish.yml@refs/tags/v1"


class Issuer:
    """Publishes its keys and signs identity tokens."""

    def __init__(self) -> None:
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(self.key.public_key()))
        keys = {"keys": [public | {"kid": "one", "alg": "RS256", "use": "sig"}]}
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                documents = {
                    "/.well-known/openid-configuration": {"issuer": issuer.url, "jwks_uri": f"{issuer.url}/keys"},
                    "/keys": keys,
                }
                body = json.dumps(documents.get(self.path, {})).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_arguments: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def sign(self, key: Any = None, **claims: Any) -> str:
        now = int(datetime.now(UTC).timestamp())
        said = {
            "iss": self.url,
            "aud": "http://testserver",
            "sub": "repo:acme/probe",
            "iat": now,
            "exp": now + 300,
            "jti": str(len(claims)) + str(claims),
            "repository": "acme/probe",
            "workflow_ref": WORKFLOW,
            "sha": "abc",
        }
        return jwt.encode(said | claims, key or self.key, algorithm="RS256", headers={"kid": "one"})


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    found = Issuer()
    thread = threading.Thread(target=found.server.serve_forever, daemon=True)
    thread.start()
    yield found
    found.server.shutdown()
    found.server.server_close()


@pytest.fixture
def trusting(settings: Settings, issuer: Issuer) -> Iterator[Registry]:
    """A registry where one workflow may publish one pack."""
    with registry(replace(settings, oidc_issuers=(issuer.url,))) as server:
        server.publisher()
        with server.parts.database.write() as session:
            register(
                session,
                OPERATOR,
                server.clock(),
                publisher_id="acme",
                pack="probe-pack",
                workflow=Workflow(issuer=issuer.url, repository="Acme/Probe", workflow="publish.yml"),
            )
        yield server


def exchange(server: Registry, token: str) -> Any:
    return server.client.post("/api/v1/trusted-publishing/token", json={"oidc_token": token})


def test_a_build_gets_a_token_for_its_pack_alone(trusting: Registry, issuer: Issuer) -> None:
    answer = exchange(trusting, issuer.sign())
    assert answer.status_code == 200
    token = answer.json()["token"]
    who = trusting.client.get("/api/v1/whoami", headers=bearer(token)).json()
    assert (who["publisher"], who["scopes"], who["packs"]) == ("acme", ["publish:pack"], ["probe-pack"])
    assert trusting.upload(pack("other-pack"), token).status_code == 403
    assert trusting.upload(pack(), token).status_code == 201
    release = trusting.client.get("/api/v1/packs/probe-pack/versions/1.0.0").json()
    assert WORKFLOW in release["provenance"]["trusted"]
    trusting.clock.pass_by(901)
    assert trusting.upload(pack(version="2.0.0"), token).status_code == 401


def test_an_identity_token_works_once(trusting: Registry, issuer: Issuer) -> None:
    token = issuer.sign()
    assert exchange(trusting, token).status_code == 200
    assert exchange(trusting, token).status_code == 401


@pytest.mark.parametrize(
    ("claims", "status"),
    [
        ({"aud": "http://elsewhere"}, 401),
        ({"exp": 1_000_000}, 401),
        ({"iss": "https://evil.example"}, 401),
        ({"repository": "evil/probe", "workflow_ref": WORKFLOW.replace("acme", "evil")}, 403),
        ({"repository": "acme/probe", "workflow_ref": WORKFLOW.replace("acme", "evil")}, 403),
        ({"workflow_ref": WORKFLOW.replace("publish.yml", "test.yml")}, 403),
        ({"job_workflow_ref": "evil/shared/.github/workflows/publish.yml@main"}, 403),
        ({"workflow_ref": ""}, 403),
    ],
)
def test_other_builds_get_none(trusting: Registry, issuer: Issuer, claims: dict[str, Any], status: int) -> None:
    assert exchange(trusting, issuer.sign(**claims)).status_code == status


WORKFLOWS = "/api/v1/publishers/acme/trusted-publishers"


def test_a_pack_that_is_still_to_come_is_bound_to_its_workflow_by_its_publisher(
    trusting: Registry, issuer: Issuer
) -> None:
    manager = bearer(trusting.publisher("acme", Scope.MANAGE))
    body = {"pack": "New-Pack", "issuer": issuer.url, "repository": "acme/probe", "workflow": "publish.yml"}
    added = trusting.client.post(WORKFLOWS, json=body, headers=manager)
    assert (added.status_code, added.json()["pack"], added.json()["pending"]) == (201, "new-pack", True)
    token = exchange(trusting, issuer.sign()).json()["token"]
    assert trusting.upload(pack("new-pack"), token).status_code == 201
    assert trusting.client.get("/api/v1/packs/new-pack").json()["publisher"] == "acme"
    listed = {row["pack"]: row for row in trusting.client.get(WORKFLOWS, headers=manager).json()}
    assert {name: row["pending"] for name, row in listed.items()} == {"new-pack": False, "probe-pack": True}
    gone = trusting.client.delete(f"{WORKFLOWS}/{listed['new-pack']['id']}", headers=manager)
    assert gone.status_code == 204
    later = exchange(trusting, issuer.sign(sha="def")).json()["token"]
    assert trusting.upload(pack("new-pack", "2.0.0"), later).status_code == 403


def test_a_name_that_another_has_taken_meanwhile_stays_theirs(trusting: Registry, issuer: Issuer) -> None:
    trusting.publish("probe-pack", publisher="other")
    token = exchange(trusting, issuer.sign()).json()["token"]
    assert trusting.upload(pack("probe-pack", "2.0.0"), token).status_code == 403


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({"pack": "../x"}, 400),
        ({"workflow": "dir/publish.yml"}, 400),
        ({"workflow": "publish.sh"}, 400),
        ({"repository": "no-owner"}, 400),
        ({"repository": 'acme/probe"><script>'}, 400),
        ({"issuer": "https://elsewhere.example"}, 400),
        ({"pack": "taken-pack"}, 409),
        ({"pack": "probe-pack"}, 409),
    ],
)
def test_a_workflow_that_can_not_be_registered_is_refused(
    trusting: Registry, issuer: Issuer, changed: dict[str, str], status: int
) -> None:
    trusting.publish("taken-pack", publisher="other")
    manager = bearer(trusting.publisher("acme", Scope.MANAGE))
    body = {"pack": "fine", "issuer": issuer.url, "repository": "Acme/Probe", "workflow": "publish.yml"}
    assert trusting.client.post(WORKFLOWS, json=body | changed, headers=manager).status_code == status


def test_nobody_else_registers_or_removes_a_publisher_s_workflows(trusting: Registry, issuer: Issuer) -> None:
    body = {"pack": "theirs", "issuer": issuer.url, "repository": "acme/probe", "workflow": "publish.yml"}
    other = bearer(trusting.publisher("other", Scope.MANAGE))
    number = trusting.client.get(WORKFLOWS, headers=trusting.admin()).json()[0]["id"]
    assert trusting.client.post(WORKFLOWS, json=body, headers=other).status_code == 403
    assert trusting.client.post(WORKFLOWS, json=body, headers=bearer(trusting.publisher())).status_code == 403
    own = WORKFLOWS.replace("acme", "other")
    assert trusting.client.post(own, json=body, headers=other).status_code == 409
    assert trusting.client.delete(f"{own}/{number}", headers=other).status_code == 404
    assert trusting.client.delete(f"{WORKFLOWS}/{number}", headers=other).status_code == 403
    assert trusting.client.get(WORKFLOWS).status_code == 401


def test_forged_and_senseless_tokens_are_refused(trusting: Registry, issuer: Issuer) -> None:
    forger = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    unsigned = jwt.encode({"iss": issuer.url, "aud": "http://testserver"}, "", algorithm="none")
    for token in (issuer.sign(key=forger), unsigned, "nonsense", ""):
        assert exchange(trusting, token).status_code == 401

"""What is fetched, and what is not."""

from __future__ import annotations

import hashlib

import pytest
from conftest import CONTENT
from data_pipeline.nodes import download_file
from data_pipeline.rules import NotAllowed, Rules, read_rules
from file_server import FileServer

from sdk import Cancelled, NodeError
from sdk.testing import FakeContext, run_node

SHA256 = hashlib.sha256(CONTENT).hexdigest()


def left(context: FakeContext) -> list[str]:
    return sorted(path.name for path in (context.root / "input" / "downloads").glob("*"))


def test_a_file_is_fetched_with_its_hash_and_progress(server: FileServer, context: FakeContext) -> None:
    name, sha256 = run_node(download_file, context, url=f"http://{server.host}/a.bin", sha256=SHA256.upper()).outputs
    assert sha256 == SHA256
    assert context.folders.input_file(name).read_bytes() == CONTENT
    assert name.endswith("-a.bin")
    assert context.progressed[-1] == (len(CONTENT), len(CONTENT))


def test_a_file_that_is_there_is_not_fetched_again(server: FileServer, context: FakeContext) -> None:
    for _ in range(2):
        run_node(download_file, context, url=f"http://{server.host}/a.bin", sha256=SHA256)
    assert server.seen == ["/a.bin"]


@pytest.mark.parametrize(("sha256", "said"), [("0" * 64, "sha256 is .* and should be 0000"), ("xyz", "64 hexadecimal")])
def test_a_file_with_another_hash_leaves_nothing(
    sha256: str, said: str, server: FileServer, context: FakeContext
) -> None:
    with pytest.raises(NodeError, match=said):
        run_node(download_file, context, url=f"http://{server.host}/a.bin", sha256=sha256)
    assert left(context) == []


def test_a_file_that_is_too_large_leaves_nothing(
    server: FileServer, context: FakeContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATA_PIPELINE_MAX_MB", "1")
    server.files["/big"] = (200, {}, bytes(2**20 + 1))
    with pytest.raises(NodeError, match="larger than the 1048576 bytes"):
        run_node(download_file, context, url=f"http://{server.host}/big")
    assert left(context) == []


def test_a_cancelled_download_leaves_nothing(server: FileServer, context: FakeContext) -> None:
    context.cancel_after = 1
    with pytest.raises(Cancelled):
        run_node(download_file, context, url=f"http://{server.host}/a.bin")
    assert left(context) == []


@pytest.mark.parametrize("status", [404, 500])
def test_a_server_s_refusal_is_passed_on(status: int, server: FileServer, context: FakeContext) -> None:
    server.files["/x"] = (status, {}, b"")
    with pytest.raises(NodeError, match=f"/x answers {status}"):
        run_node(download_file, context, url=f"http://{server.host}/x")


def test_redirects_may_lead_to_allowed_hosts_alone(server: FileServer, context: FakeContext) -> None:
    server.files["/to"] = (302, {"Location": "/a.bin"}, b"")
    name, _ = run_node(download_file, context, url=f"http://{server.host}/to").outputs
    assert context.folders.input_file(name).read_bytes() == CONTENT
    server.files["/out"] = (302, {"Location": f"http://localhost:{server.host.rpartition(':')[2]}/a.bin"}, b"")
    with pytest.raises(NodeError, match=r"localhost:.* is not among the allowed hosts"):
        run_node(download_file, context, url=f"http://{server.host}/out")
    server.files["/round"] = (302, {"Location": "/round"}, b"")
    with pytest.raises(NodeError, match="more than 5 redirects"):
        run_node(download_file, context, url=f"http://{server.host}/round")


@pytest.mark.parametrize(
    ("address", "said"),
    [
        (
            "https://evil.example/x",
            r"evil.example is not among the allowed hosts \(127.0.0.1\); add it to DATA_PIPELINE",
        ),
        ("file:///etc/passwd", "is no web address"),
        ("http://me:secret@127.0.0.1/x", "an address with a password"),
        ("", "is no web address"),
    ],
)
def test_other_addresses_are_not_asked(address: str, said: str, context: FakeContext) -> None:
    with pytest.raises(NodeError, match=said):
        run_node(download_file, context, url=address)


def test_hosts_may_be_patterns_and_none_is_allowed_by_default() -> None:
    rules = read_rules({"DATA_PIPELINE_HOSTS": "*.example.com, other.org:8080 ", "DATA_PIPELINE_MAX_MB": "3"})
    assert rules.largest == 3 * 2**20
    for allowed in ("https://a.example.com/x", "http://other.org:8080/", "https://A.EXAMPLE.COM"):
        rules.check(allowed)
    for refused in ("https://example.com/", "https://other.org/", "https://a.example.com.evil.net/"):
        with pytest.raises(NotAllowed, match="not among the allowed hosts"):
            rules.check(refused)
    with pytest.raises(NotAllowed, match="none"):
        Rules().check("https://a.example.com")
    with pytest.raises(NotAllowed, match="no number of megabytes"):
        read_rules({"DATA_PIPELINE_MAX_MB": "much"})


def test_names_from_addresses_stay_in_the_folder(server: FileServer, context: FakeContext) -> None:
    server.files["/%2e%2e%2f%2e%2e%2fpasswd"] = (200, {}, b"x")
    name, _ = run_node(download_file, context, url=f"http://{server.host}/%2e%2e%2f%2e%2e%2fpasswd").outputs
    assert name.count("/") == 1
    assert ".." not in name

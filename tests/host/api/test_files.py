"""Files that clients put on the server and get back: names are hostile until shown otherwise."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image

from host.api import pictures, uploads
from host.folders import LocalFolders, UnsafeName
from tests.support.live_server import LiveServer
from tests.support.node_context import NoModels

HOSTILE = ["../x", "/etc/passwd", "a\0b", "CON", "x/../../y", "n" * 4096]


def uploaded(server: LiveServer, name: str, content: bytes, **fields: str) -> int:
    head = f'--b\r\nContent-Disposition: form-data; name="image"; filename="{name}"\r\n\r\n'
    rest = "".join(f'--b\r\nContent-Disposition: form-data; name="{k}"\r\n\r\n{v}\r\n' for k, v in fields.items())
    body = head.encode() + content + f"\r\n{rest}--b--\r\n".encode()
    return server.request("POST", "/upload/image", body, {"Content-Type": "multipart/form-data; boundary=b"}).status


def files(server: LiveServer) -> list[Path]:
    """All but those in which the server keeps its jobs."""
    return sorted(path for path in server.base.rglob("*") if path.is_file() and ".sqlite3" not in path.name)


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_is_refused_and_nothing_is_written(server: LiveServer, name: str) -> None:
    before = files(server)
    assert uploaded(server, name, b"x") == 400
    if name not in ("CON",):
        assert uploaded(server, "fine.png", b"x", subfolder=name) == 400
    assert files(server) == before


@pytest.mark.parametrize(
    ("name", "kind"), [("page.html", "application/octet-stream"), ("picture.svg", "image/svg+xml")]
)
def test_what_a_stranger_uploaded_runs_nothing_in_a_browser(server: LiveServer, name: str, kind: str) -> None:
    (server.base / "output").mkdir(exist_ok=True)
    (server.base / "output" / name).write_text("<script>alert(1)</script>")
    answer = server.get(f"/view?filename={name}")
    assert answer.headers["content-type"] == kind
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in answer.headers["content-security-policy"]
    (server.base / "output" / name).unlink()


@pytest.mark.parametrize("name", ["..\\\\up.png", "sub\\\\up.png"])
def test_a_name_that_is_a_path_on_windows_is_refused(server: LiveServer, name: str) -> None:
    assert uploaded(server, name, b"x") == 400
    assert not list((server.base / "input").glob("*up.png"))


def test_a_mask_without_its_picture_is_said_in_the_log(server: LiveServer, caplog: pytest.LogCaptureFixture) -> None:
    fields = (
        b'--b\r\nContent-Disposition: form-data; name="original_ref"\r\n\r\n{"filename": "gone.png"}\r\n'
        b'--b\r\nContent-Disposition: form-data; name="image"; filename="mask.png"\r\n\r\nx\r\n--b--\r\n'
    )
    answer = server.request("POST", "/upload/mask", fields, {"Content-Type": "multipart/form-data; boundary=b"})
    assert (answer.status, answer.json["name"]) == (200, "mask.png")
    assert "the mask 'mask.png' was not kept: its picture can't be read. There is no file 'gone.png'" in caplog.text


def test_a_link_out_of_the_folder_leads_nowhere(server: LiveServer) -> None:
    (server.base / "output").mkdir(exist_ok=True)
    link = server.base / "output" / "link.txt"
    link.symlink_to("/etc/hostname")
    assert server.get("/view?filename=link.txt").status == 404
    link.unlink()


def test_a_picture_with_too_many_pixels_is_refused_before_it_is_read(
    tmp_path: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "bomb.png"  # type: ignore[operator]
    Image.new("1", (400, 400)).save(path)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(pictures.NotAPicture, match="too many pixels"):
        pictures.colours(path)


def test_a_mask_of_another_size_is_refused(tmp_path: object) -> None:
    path = tmp_path / "picture.png"  # type: ignore[operator]
    Image.new("RGB", (4, 4)).save(path)
    mask = io.BytesIO()
    Image.new("RGBA", (2, 2)).save(mask, "PNG")
    with pytest.raises(pictures.NotAPicture, match="size"):
        pictures.with_alpha_of(path, mask.getvalue())


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path: object) -> None:
    folder = tmp_path / "input"  # type: ignore[operator]
    (folder / "taken").mkdir(parents=True)
    folders = LocalFolders(tmp_path, NoModels())  # type: ignore[arg-type]
    with pytest.raises(uploads.BadUpload):
        uploads.store(folders, "input", "", "taken", b"new", overwrite=True)
    with pytest.raises(UnsafeName):
        uploads.store(folders, "input", "..", "x", b"new", overwrite=False)
    assert [path.name for path in folder.iterdir()] == ["taken"]


def test_user_files_are_written_listed_moved_and_deleted_by_one_escaped_segment(server: LiveServer) -> None:
    path = "/api/userdata/workflows%2Fa.json"
    assert server.get("/userdata?dir=workflows").status == 404
    assert server.get("/userdata").status == 400
    assert server.request("POST", path + "?overwrite=false", "{}").json == "workflows/a.json"
    assert server.request("POST", path + "?overwrite=false", "{}").status == 409
    facts = server.request("POST", path + "?full_info=true", '{"a": 1}').json
    assert (facts["path"], facts["size"]) == ("workflows/a.json", 8)
    assert server.get(path).body == b'{"a": 1}'
    assert server.get("/userdata?dir=workflows&recurse=true&split=true").json == [["a.json", "a.json"]]
    assert server.get("/v2/userdata?path=workflows").json[0]["path"] == "workflows/a.json"
    assert server.post(f"{path}/move/workflows%2Fb%2Fc.json").json == "workflows/b/c.json"
    assert server.request("DELETE", path).status == 404
    assert server.request("DELETE", "/userdata/workflows%2Fb%2Fc.json").status == 204


@pytest.mark.parametrize("name", ["..%2Fother", "..%2F..%2Fx", "workflows%2F..%2F..%2Fx", "CON", "a%00b"])
def test_user_files_stay_in_the_users_folder(server: LiveServer, name: str) -> None:
    for method in ("GET", "POST", "DELETE"):
        assert server.request(method, f"/userdata/{name}", "x" if method == "POST" else None).status == 403


@pytest.mark.parametrize("name", ["comfy.settings.json%2Fx", "user.css%2Fx", "a%2F..%2Fcomfy.settings.json%2Fx%2Fy"])
def test_no_folder_takes_the_place_of_the_settings(server: LiveServer, name: str) -> None:
    """It would stand in their way from then on."""
    assert server.request("POST", f"/userdata/{name}", "{}").status == 403
    assert server.get("/settings").status == 200


def test_settings_are_kept_one_by_one_and_together(server: LiveServer) -> None:
    assert server.get("/settings").json == {}
    assert server.get("/settings/Comfy.Nothing").json is None
    answer = server.request("POST", "/settings/Comfy.InstalledVersion", '"1.27.10"', {"Content-Type": "text/plain"})
    assert (answer.status, answer.body) == (200, b"")
    assert server.post("/settings", {"a": 1}).status == 200
    assert server.get("/settings").json == {"Comfy.InstalledVersion": "1.27.10", "a": 1}
    assert server.request("POST", "/settings", "[]").status == 400


def test_other_files_of_a_name_get_numbers_and_are_written_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = LocalFolders(tmp_path, NoModels())  # type: ignore[arg-type]
    names = [uploads.store(folders, "input", "sub", "a.png", content, overwrite=False) for content in (b"1", b"2")]
    written: list[Path] = []
    write = Path.write_bytes
    monkeypatch.setattr(Path, "write_bytes", lambda self, content: written.append(self) or write(self, content))
    names += [uploads.store(folders, "input", "sub", "a.png", content, overwrite=False) for content in (b"3", b"1")]
    assert names == ["a.png", "a (1).png", "a (2).png", "a.png"]
    assert len(written) == 2
    assert {path.name: path.read_bytes() for path in (tmp_path / "input" / "sub").iterdir()} == {
        "a.png": b"1", "a (1).png": b"2", "a (2).png": b"3"
    }  # fmt: skip

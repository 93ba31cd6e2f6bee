"""What a pack takes part in is read from its code, rather too much than too little."""

from __future__ import annotations

from pathlib import Path

import pytest

from sdk.inspection.hook_names import hooks_used
from sdk.manifest import PackManifest

OURS = PackManifest(name="probe", version="1", entry_points={"probe": "probe"})
THEIRS = PackManifest(name="probe", version="1")


def written(folder: Path, **sources: str) -> dict[str, Path]:
    for name, source in sources.items():
        (folder / f"{name}.py").write_text(source)
    return {f"{name}.py": folder / f"{name}.py" for name in sources}


@pytest.mark.parametrize(
    ("source", "hooks"),
    [
        ("x = 1", ()),
        ("@hookimpl\ndef register_nodes(): ...", ()),
        (
            "@hookimpl\ndef before_node(): ...\n@sdk.hookimpl(tryfirst=True)\ndef after_job(): ...",
            ("after_job", "before_node"),
        ),
        ("class P:\n    @hookimpl\n    def register_routes(self): ...", ("register_routes",)),
        ("from sdk import hookimpl as mark\n@mark\ndef register_routes(): ...", ("register_routes",)),
        ("@hookimpl(specname='register_folders')\ndef mine(): ...", ("register_folders",)),
        ("register_routes = hookimpl(make())", None),
        ("mark = hookimpl\n@mark\ndef register_routes(): ...", None),
        ("hookimpl(", None),
    ],
)
def test_functions_marked_as_implementations_count(tmp_path: Path, source: str, hooks: object) -> None:
    assert hooks_used(OURS, written(tmp_path, probe="", other=source)) == hooks


def test_what_comfyui_packs_do_at_import_shows_in_what_they_mention(tmp_path: Path) -> None:
    assert hooks_used(THEIRS, written(tmp_path, a="NODE_CLASS_MAPPINGS = {}")) == ()
    files = written(tmp_path, a="WEB_DIRECTORY = './js'", b="@PromptServer.instance.routes.get('/x')\ndef f(): ...")
    assert hooks_used(THEIRS, files) == ("register_routes", "register_web_directories")
    assert hooks_used(THEIRS, {"examples/a.json": tmp_path}) == ("register_web_directories",)
    for names in ("KSampler.SAMPLERS", "comfy.samplers.SAMPLER_NAMES"):
        assert hooks_used(THEIRS, written(tmp_path, a=f"{names}.append('mine')")) == ("register_samplers",)
    assert hooks_used(THEIRS, written(tmp_path, a="RETURN_TYPES = ('SAMPLER',)")) == ()

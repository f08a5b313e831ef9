"""What is not installed is skipped, with the command that installs it, and never passed over in silence."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests import software


def test_a_missing_piece(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(software, "HERE", tmp_path)
    with pytest.raises(pytest.skip.Exception, match=f"bash .ci/real-software {tmp_path}"):
        software.installed("olah")
    (tmp_path / "olah").mkdir()
    with pytest.raises(pytest.skip.Exception, match="no olah"):
        software.installed("olah")
    (tmp_path / "olah/.done").touch()
    assert software.installed("olah") == tmp_path / "olah"


def test_a_missing_tool() -> None:
    with pytest.raises(pytest.skip.Exception, match="no-such-tool"):
        software.tool("no-such-tool")


def test_the_environment_of_a_program(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HF_TOKEN", "SWARM_HOME", "TRANSFORMERS_OFFLINE", "PYTHONPATH"):
        monkeypatch.setenv(name, "mine")
    told = software.environment(HF_HUB_OFFLINE=1)
    assert "mine" not in told.values()
    assert told["HF_HUB_OFFLINE"] == "1"
    assert told["NO_PROXY"].startswith("127.0.0.1")


def test_the_script_installs_what_is_known_here() -> None:
    """Names and releases stand in the script and in `CLIENTS`."""
    script = (software.ROOT / ".ci/real-software").read_text()
    assert all(
        f"venv {name} 'huggingface_hub=={release}'" in script for name, release in software.CLIENTS.items()
    )


@pytest.mark.parametrize("script", ["run", "real-software"])
def test_the_scripts_are_bash(script: str) -> None:
    subprocess.run([software.tool("bash"), "-n", software.ROOT / ".ci" / script], check=True)

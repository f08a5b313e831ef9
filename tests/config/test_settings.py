"""Settings: flags over environment over file over defaults, and mistakes are named."""

from pathlib import Path

import pytest

from swarm.config.ecosystem import exposed_token
from swarm.config.settings import DEFAULT_ENDPOINT, DEFAULT_GATEWAY, KEYS, Settings, load
from swarm.config.values import HostPort
from swarm.errors import UsageError


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    return {"SWARM_HOME": str(tmp_path / "home"), "HF_HOME": str(tmp_path / "hf")}


def write(environ: dict[str, str], text: str) -> None:
    home = Path(environ["SWARM_HOME"])
    home.mkdir(exist_ok=True)
    (home / "config.toml").write_text(text)


def test_defaults(environ: dict[str, str]) -> None:
    settings = load({}, environ)
    assert settings == Settings(home=Path(environ["SWARM_HOME"]))
    assert settings.endpoints == (DEFAULT_ENDPOINT,)
    assert settings.control_socket.parent == settings.home


def test_every_key_is_a_field_and_the_other_way_round() -> None:
    assert set(KEYS) | {"home"} == set(Settings._fields)


def test_flags_over_environment_over_file(environ: dict[str, str]) -> None:
    write(environ, 'upload_rate = "1MB/s"\ndownload_rate = 2000\nquota = "1TB"\n')
    environ |= {"SWARM_UPLOAD_RATE": "3MB/s", "SWARM_DOWNLOAD_RATE": "4MB/s"}
    settings = load({"upload_rate": "5MB/s", "quota": None}, environ)
    assert settings.upload_rate == 5_000_000
    assert settings.download_rate == 4_000_000
    assert settings.quota == 10**12


def test_an_empty_variable_is_not_given(environ: dict[str, str]) -> None:
    assert load({}, environ | {"SWARM_LISTEN": "", "SWARM_MDNS": " "}) == load({}, environ)


def test_the_file_may_use_tomls_own_types(environ: dict[str, str]) -> None:
    write(environ, 'peers = ["10.0.0.1", "10.0.0.2:7000"]\nmdns = false\nlisten = 7000\nsettle = 0.5\n')
    settings = load({}, environ)
    assert settings.peers == ("10.0.0.1", "10.0.0.2:7000")
    assert settings.mdns is False
    assert settings.listen == HostPort("", 7000)
    assert settings.settle == 0.5


@pytest.mark.parametrize(
    ("text", "message", "advice"),
    [
        ("uplod_rate = 1", "'uplod_rate'", "'upload_rate'"),
        ("zzz = 1", "'zzz'", "The keys are"),
        ('home = "/x"', "'home'", ""),
        ("quota = true", "config.toml: quota", ""),
        ("quota", "cannot be read", "Mend the file"),
    ],
)
def test_mistakes_in_the_file(environ: dict[str, str], text: str, message: str, advice: str) -> None:
    write(environ, text)
    with pytest.raises(UsageError) as caught:
        load({}, environ)
    assert message in caught.value.message
    assert advice in caught.value.advice


def test_a_file_that_is_not_text(environ: dict[str, str]) -> None:
    write(environ, "")
    (Path(environ["SWARM_HOME"]) / "config.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError, match="cannot be read"):
        load({}, environ)


def test_a_misspelt_variable_is_named(environ: dict[str, str]) -> None:
    with pytest.raises(UsageError) as caught:
        load({}, environ | {"SWARM_UPLAOD_RATE": "1"})
    assert "SWARM_UPLAOD_RATE" in caught.value.message
    assert "SWARM_UPLOAD_RATE" in caught.value.advice


def test_variables_of_other_programs_are_left_alone(environ: dict[str, str]) -> None:
    assert load({}, environ | {"SWARM_MANAGER_TOKEN_FILE": "x", "SWARM_DEBUG": "1"}) == load({}, environ)


def test_a_bad_value_says_where_it_was_given(environ: dict[str, str]) -> None:
    with pytest.raises(UsageError, match=r"^SWARM_QUOTA: 'x' is not a size"):
        load({}, environ | {"SWARM_QUOTA": "x"})
    with pytest.raises(UsageError, match=r"^--upload-rate: 'x' is not a rate"):
        load({"upload_rate": "x"}, environ)


def test_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert load({}, {"XDG_DATA_HOME": str(tmp_path)}).home == tmp_path / "lanswarm"
    assert load({}, {}).home == tmp_path / ".local/share/lanswarm"
    assert load({"home": "here"}, {"SWARM_HOME": "/there"}).home == Path.cwd() / "here"


def test_the_ecosystem_ranks_as_environment(environ: dict[str, str]) -> None:
    write(environ, 'endpoint = "https://file.example"\n')
    assert load({}, environ).endpoint == ("https://file.example",)
    environ["HF_ENDPOINT"] = "https://hf.example/"
    assert load({}, environ).endpoint == ("https://hf.example",)
    environ["SWARM_ENDPOINT"] = "https://a.example,https://b.example"
    assert load({}, environ).endpoint == ("https://a.example", "https://b.example")
    assert load({"endpoint": ["https://c.example"]}, environ).endpoint == ("https://c.example",)


def test_our_own_gateway_is_no_upstream(environ: dict[str, str]) -> None:
    write(environ, 'endpoint = "https://file.example"\n')
    ours = f"http://{DEFAULT_GATEWAY}/hf"
    assert load({}, environ | {"HF_ENDPOINT": ours}).endpoint == ("https://file.example",)
    moved = environ | {"HF_ENDPOINT": ours, "SWARM_GATEWAY": "127.0.0.1:9000"}
    assert load({}, moved).endpoint == (ours,)


@pytest.mark.parametrize("name", ["HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"])
def test_offline(environ: dict[str, str], name: str) -> None:
    assert load({}, environ | {name: "Yes"}).offline is True
    assert load({}, environ | {name: "0"}).offline is False


def test_a_file_with_a_token_is_for_its_owner_only(environ: dict[str, str]) -> None:
    write(environ, 'token = "hf_file"\n')
    path = Path(environ["SWARM_HOME"]) / "config.toml"
    path.chmod(0o640)
    with pytest.raises(UsageError, match="can be read by others") as caught:
        load({}, environ)
    assert "hf_file" not in str(caught.value)
    path.chmod(0o600)
    assert load({}, environ).token == "hf_file"


def test_a_token_file_of_others_is_told_of(environ: dict[str, str], tmp_path: Path) -> None:
    assert exposed_token(environ) is None
    path = tmp_path / "hf/token"
    path.parent.mkdir()
    path.write_text("hf_file\n")
    path.chmod(0o644)
    assert exposed_token(environ) == path
    assert exposed_token(environ | {"HF_TOKEN": "hf_mine"}) is None
    path.chmod(0o600)
    assert exposed_token(environ) is None


def test_tokens(environ: dict[str, str], tmp_path: Path) -> None:
    assert load({}, environ).token is None
    (tmp_path / "hf").mkdir()
    (tmp_path / "hf/token").write_text("hf_file\n")
    assert load({}, environ).token == "hf_file"
    assert load({}, environ | {"HF_HUB_DISABLE_IMPLICIT_TOKEN": "1"}).token is None
    assert load({}, environ | {"HUGGING_FACE_HUB_TOKEN": "hf_old"}).token == "hf_old"
    assert load({}, environ | {"HF_TOKEN": " hf_new "}).token == "hf_new"
    (tmp_path / "other").write_text("hf_other")
    assert load({}, environ | {"HF_TOKEN_PATH": str(tmp_path / "other")}).token == "hf_other"


def test_a_token_is_never_shown(environ: dict[str, str]) -> None:
    assert "secret" not in repr(load({}, environ | {"HF_TOKEN": "hf_secret"}))

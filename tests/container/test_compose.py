"""compose.yaml and the Dockerfile, as their own tools see them."""

import http.client
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

ROOT = Path(__file__).parents[2]
TOOLS = Path(sys.executable).parent


def compose(**variables: str) -> dict:
    """What Compose makes of compose.yaml when the shell sets `variables` and nothing else."""
    done = subprocess.run(
        [TOOLS / "docker-compose", "--file", ROOT / "compose.yaml", "config", "--format", "json"],
        env={"PATH": os.environ["PATH"], "HOME": "/nonexistent", **variables},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def services() -> dict:
    return compose()["services"]


def test_every_secret_is_a_file_and_none_is_in_the_environment(services):
    assert [set(secret) for secret in compose()["secrets"].values()] == [{"name", "file"}]
    for service in services.values():
        for name, value in service["environment"].items():
            if "PASSWORD" in name or "SECRET" in name:
                assert name.endswith("_FILE") and value.startswith("/run/secrets/")
    assert services["app"]["environment"]["DATABASE_URL"] == "postgresql://timetracker@database/timetracker"


def test_the_app_runs_hardened(services):
    app = services["app"]
    assert app["read_only"] is True
    assert app["cap_drop"] == ["ALL"]
    assert app["security_opt"] == ["no-new-privileges:true"]
    assert not {"user", "privileged", "cap_add", "volumes"} & set(app)


def test_the_app_waits_for_a_database_that_answers_by_tcp(services):
    assert services["app"]["depends_on"]["database"]["condition"] == "service_healthy"
    assert "--host=127.0.0.1" in services["database"]["healthcheck"]["test"]


def test_the_data_lie_in_a_named_volume_where_postgresql_18_keeps_them(services):
    (volume,) = services["database"]["volumes"]
    assert services["database"]["image"] == "postgres:18"
    assert (volume["type"], volume["target"]) == ("volume", "/var/lib/postgresql")


def test_only_this_machine_reaches_the_app_unless_it_is_published(services):
    def published(app: dict) -> list[tuple[str, str]]:
        return [(port["host_ip"], port["published"]) for port in app["ports"]]

    assert published(services["app"]) == [("127.0.0.1", "8080")]
    assert published(compose(PUBLISH="0.0.0.0:80")["services"]["app"]) == [("0.0.0.0", "80")]
    assert "ports" not in services["database"]


def test_settings_of_the_shell_are_passed_on():
    assert compose(CURRENCY="CHF")["services"]["app"]["environment"]["CURRENCY"] == "CHF"


def test_every_setting_is_passed_on_or_said_not_to_be():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    table = re.findall(r"^\| (`[A-Z].*?) \|", readme, flags=re.MULTILINE)
    settings = {name for cell in table for name in re.findall("`([A-Z_]+)`", cell) if not name.startswith("PG")}
    said = set(re.findall("`([A-Z_]+)`", readme.split("Not passed on are")[1].split("compose.override.yaml")[0]))
    passed_on = set(re.findall("^      ([A-Z_]+):$", (ROOT / "compose.yaml").read_text(), flags=re.MULTILINE))
    assert {"METRICS_TOKEN", "TZ"} <= passed_on
    assert said - {"PGHOST"} == settings - passed_on


@pytest.mark.parametrize(
    ("variables", "place"),
    [
        ({"LISTEN_ADDRESS": "0.0.0.0", "PORT": "8081"}, ("0.0.0.0", "8081")),
        ({"LISTEN_ADDRESS": "", "PORT": ""}, ("127.0.0.1", 8080)),
        ({}, ("127.0.0.1", 8080)),
    ],
)
def test_the_health_check_asks_where_the_server_listens(variables, place, monkeypatch):
    """An empty variable counts as unset, as in the server."""
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", "")
    [code] = re.findall(r'^HEALTHCHECK .* CMD \["python", "-c", "(.*)"\]$', dockerfile, flags=re.MULTILINE)
    asked = []

    class Connection:
        def __init__(self, *place, timeout):
            asked.append(place)

        def request(self, method, path):
            asked.append(path)

        def getresponse(self):
            return SimpleNamespace(status=200)

    monkeypatch.setattr(http.client, "HTTPConnection", Connection)
    for name in ("LISTEN_ADDRESS", "PORT"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit) as ended:
        exec(code, {})
    assert (asked, ended.value.code) == ([place, "/healthz"], False)


def test_hadolint_has_no_complaint():
    done = subprocess.run([TOOLS / "hadolint", ROOT / "Dockerfile"], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")

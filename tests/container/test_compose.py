"""compose.yaml and the Dockerfile, as their own tools see them."""

import json
import os
import subprocess
import sys
from pathlib import Path

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


def test_hadolint_has_no_complaint():
    done = subprocess.run([TOOLS / "hadolint", ROOT / "Dockerfile"], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")

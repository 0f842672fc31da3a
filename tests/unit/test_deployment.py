"""What docker-compose.yml, .env.example and the Dockerfile promise, read as Compose reads them."""

import re
import tomllib

import pytest

from services.settings import Settings
from tests.compose import EXAMPLE, FILE, ROOT, resolved
from tests.serving_packages import REMOVED, serving_packages

OURS = {"init", "worker", "score", "explain", "rings", "refresh"}
SECRET = re.compile("PASSWORD|TOKEN|SECRET|KEY")


@pytest.fixture(scope="module")
def services():
    return resolved()["services"]


def test_the_services_are_these(services):
    assert services.keys() == OURS | {"kafka", "redis", "postgres", "prometheus"}


def test_nothing_runs_as_root_or_writes_into_its_image(services):
    for name, service in services.items():
        user, group = service["user"].split(":")
        assert int(user) > 0 < int(group), name
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert not service.get("privileged"), name


def test_everything_has_a_memory_limit_a_health_check_and_comes_back(services):
    for name, service in services.items():
        assert int(service["deploy"]["resources"]["limits"]["memory"]) >= 512 * 1024**2, name
        if name != "init":
            assert service["healthcheck"]["test"][0] == "CMD", name
            assert service["restart"] == "unless-stopped", name


def test_images_are_pinned(services):
    assert all(re.fullmatch(r"[a-z/-]+:v?\d[\w.-]+", service["image"]) for service in services.values())
    assert re.search(r"^ARG PYTHON=python:3\.11\.\d+-slim-\w+$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)


def test_secrets_come_from_files_alone(services):
    for name, service in services.items():
        mounted = {secret["target"] for secret in service.get("secrets", [])}
        for variable, value in service.get("environment", {}).items():
            if SECRET.search(variable):
                assert variable.endswith("_FILE"), f"{name}: {variable}"
                assert value in mounted, f"{name}: {variable}"
            assert not re.search(r"//[^@/]*:[^@/]*@", str(value)), f"{name}: a password in {variable}"
    assert not SECRET.search(EXAMPLE.read_text().replace("RINGFENCE_SECRETS", "").replace("ecrets", ""))


def test_our_variables_are_settings(services):
    known = {field.alias or f"RINGFENCE_{name.upper()}" for name, field in Settings.model_fields.items()}
    own = {"RINGFENCE_DATA", "RINGFENCE_MAPPING", "RINGFENCE_SIMULATE"}  # options of `ringfence init`
    for name in OURS:
        assert {variable.removesuffix("_FILE") for variable in services[name]["environment"]} - known <= own
        assert {*services[name]["command"]} <= {"ringfence", "serve"} | OURS


def test_workers_can_be_many_and_what_is_published_is_on_loopback(services):
    worker = services["worker"]
    assert not worker.get("ports")
    assert not worker.get("container_name")
    assert worker["deploy"]["replicas"] <= int(worker["environment"]["RINGFENCE_PARTITIONS"]) >= 3
    published = {name for name, service in services.items() if service.get("ports")}
    assert published == {"score", "explain", "rings", "prometheus"}
    assert {port["host_ip"] for name in published for port in services[name]["ports"]} == {"127.0.0.1"}


def test_what_must_not_be_lost_is_on_a_named_volume(services):
    volumes = {
        name: {v["target"] for v in service.get("volumes", []) if v["type"] == "volume"}
        for name, service in services.items()
    }
    assert volumes["kafka"] == {services["kafka"]["environment"]["KAFKA_LOG_DIRS"]}
    assert volumes["redis"] == {"/data"}
    assert volumes["postgres"] == {"/var/lib/postgresql/data"}
    assert all("/var/lib/ringfence" in volumes[name] for name in OURS)


def test_redis_neither_forgets_nor_loses(services):
    command = " ".join(services["redis"]["command"])
    for option in ("--appendonly yes", "--appendfsync always", "--maxmemory-policy noeviction"):
        assert option in command
    assert "requirepass" in command


def test_postgres_has_connections_for_every_process(services):
    (limit,) = [word for word in services["postgres"]["command"] if word.startswith("max_connections=")]
    processes = len(OURS) - 1 + int(services["worker"]["environment"]["RINGFENCE_PARTITIONS"]) - 1
    pool = 26  # pool_size 16 and SQLAlchemy's max_overflow of 10
    assert int(limit.removeprefix("max_connections=")) >= min(processes, 7) * pool


def test_the_example_has_every_variable_with_its_default():
    used = dict(re.findall(r"\$\{(\w+):-([^}]*)\}", FILE.read_text()))
    said = dict(re.findall(r"^(\w+)=(.*)$", EXAMPLE.read_text(), re.MULTILINE))
    assert said == used


def test_the_image_holds_no_training_and_no_test_packages():
    recipe = (ROOT / "Dockerfile").read_text()
    assert recipe.count(f"RUN pip uninstall --yes {' '.join(REMOVED)} pip") == 1
    build, packages, *_, last = recipe.split("\nFROM ")[1:]
    assert "'.[fast]'" in build
    assert packages.startswith("build AS packages\n")
    assert last.startswith("runtime\nCOPY --from=packages ")
    packages = serving_packages()
    assert {"lightgbm", "feast", "confluent-kafka"} <= packages.keys()
    assert not packages.keys() & {"torch", "torch-geometric", "mlflow", "matplotlib", "optuna", "shap", "pytest"}


def test_only_what_refreshes_rings_has_the_image_with_pytorch(services):
    with_pytorch = {name for name in OURS if services[name]["image"].startswith("ringfence-gnn:")}
    assert with_pytorch == {"refresh"}
    assert services["refresh"]["build"]["target"] == "gnn"
    [stage] = [part for part in (ROOT / "Dockerfile").read_text().split("\nFROM ") if part.startswith("runtime AS gnn")]
    assert "COPY --from=packages-gnn" in stage


def test_the_image_is_built_from_the_packages_alone():
    copied = set(re.findall(r"^COPY (?!--)(.*) \S+$", (ROOT / "Dockerfile").read_text(), re.MULTILINE))
    allowed = set(re.findall(r"^!(\S+)$", (ROOT / ".dockerignore").read_text(), re.MULTILINE))
    assert {name for names in copied for name in names.split()} == allowed
    assert (ROOT / ".dockerignore").read_text().startswith("*\n")


def test_every_file_that_the_packages_read_is_installed_with_them():
    """Of the files beside the modules, packages carry those that pyproject.toml names."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    patterns = project["package-data"]["*"]
    not_read = {"history.parquet", ".gitignore", "prometheus.yml"}  # by `feast apply`, git and Compose
    packages = [pattern.removesuffix("*") for pattern in project["packages"]["find"]["include"]]
    for package in packages:
        for path in (ROOT / package).rglob("*.*"):
            if path.suffix not in (".py", ".pyc") and path.is_file() and "__pycache__" not in path.parts:
                assert path.name in not_read or any(path.match(pattern) for pattern in patterns), path

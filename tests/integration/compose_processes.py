"""Runs what docker-compose.yml describes as local processes: each service's own command, environment, health check.

In place of what a container would give it, a process gets: 127.0.0.1 for the names of services, a free port for each
that is written in the file, a temporary directory for each volume, and the files of secrets and configurations where
they lie. What an image's own entry point does, making Kafka's properties and PostgreSQL's database, is done likewise.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic, sleep

import yaml

from streaming.brokers.process import free_port
from tests.compose import ROOT, resolved
from tests.integration.postgres_server import demotion, find_binaries

START_S = 400.0  # a busy machine takes its time
STOP_S = 60.0
PORTS = ("5432", "6379", "8080", "8081", "8082", "8083", "8084", "9090", "9092", "9093")


class Project:
    """The resolved project, and a process for every service that was started."""

    def __init__(self, directory: Path, **environment: str) -> None:
        self.directory = directory
        self.secrets = directory / "secrets"
        self.secrets.mkdir()
        for name in ("ringfence_token", "redis_password", "postgres_password"):
            (self.secrets / name).write_text(f"{os.urandom(24).hex()}\n")
        self.services = resolved(RINGFENCE_SECRETS=str(self.secrets), **environment)["services"]
        self.ports = {port: free_port() for port in PORTS}
        self.processes: dict[str, Process] = {}

    def start(self, name: str, number: int = 1) -> "Process":
        """Start one service, or one of its replicas, and return when its own health check passes."""
        process = Process(self, name, number)
        self.processes[process.name] = process
        process.wait_until_healthy()
        return process

    def run(self, name: str) -> str:
        """Run a service to its end, which must be a good one; return what it said."""
        process = Process(self, name, 1)
        self.processes[name] = process
        assert process.child.wait(START_S) == 0, process.said()
        return process.said()

    def secret(self, name: str) -> str:
        return (self.secrets / name).read_text().strip()

    def stop(self) -> dict[str, int]:
        """Ask every process to stop, the last started first; return their exit statuses."""
        return {process.name: process.stop() for process in reversed(self.processes.values())}


@contextmanager
def running_project(directory: Path, **environment: str) -> Iterator[Project]:
    """Load the project, and end whatever was started of it."""
    project = Project(directory, **environment)
    try:
        yield project
    finally:
        for process in reversed(project.processes.values()):
            process.end()


class Process:
    """One service as a local process."""

    def __init__(self, project: Project, name: str, number: int) -> None:
        self.name = f"{name}-{number}" if number > 1 else name
        self._project, self._service = project, project.services[name]
        # The first replica has the port that the file names; each other one of its own.
        self.ports = project.ports if number == 1 else project.ports | {"8082": free_port()}
        self._directory = project.directory / self.name
        self._directory.mkdir()
        self._paths = dict(self._mounts())
        self.log = self._directory / "log"
        self.environment = {key: self.here(str(value)) for key, value in self._service.get("environment", {}).items()}
        with self.log.open("ab") as log:
            self.child = subprocess.Popen(
                self._command(name), env=self._whole_environment(), cwd=self._directory, stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, start_new_session=True, **self._user(name),
            )  # fmt: skip

    def here(self, text: str) -> str:
        """Rewrite names, ports and paths of containers to those of this machine."""
        for path, local in self._paths.items():
            text = re.sub(rf"(?<![\w/]){re.escape(path)}(?![\w-])", str(local), text)
        text = re.sub(rf"\b({'|'.join(self._project.services)})(?=:({'|'.join(PORTS)})\b)", "127.0.0.1", text)
        text = re.sub(rf"(?<![\d.])({'|'.join(PORTS)})(?!\d)", lambda port: str(self.ports[port[0]]), text)
        return text.replace("0.0.0.0", "127.0.0.1")

    def url(self, port: str) -> str:
        return f"http://127.0.0.1:{self.ports[port]}"

    def said(self) -> str:
        return self.log.read_text(errors="replace")

    def wait_until_healthy(self) -> None:
        kind, *command = self._service["healthcheck"]["test"]
        assert kind == "CMD"
        command = [sys.executable if word == "python" else self.here(word) for word in command]
        deadline = monotonic() + START_S
        while subprocess.run(command, env=self._whole_environment(), capture_output=True, check=False).returncode:
            assert self.child.poll() is None, f"{self.name} ended:\n{self.said()[-3000:]}"
            assert monotonic() < deadline, f"{self.name} is not healthy:\n{self.said()[-3000:]}"
            sleep(0.5)

    def stop(self) -> int:
        """Stop it as Compose does; return its exit status."""
        if self.child.poll() is None:
            self.child.send_signal(getattr(signal, self._service.get("stop_signal", "SIGTERM")))
            self.child.wait(STOP_S)
        return self.child.returncode

    def end(self) -> None:
        """Leave nothing of it behind."""
        with suppress(ProcessLookupError):
            os.killpg(self.child.pid, signal.SIGKILL)
        self.child.wait()

    def _mounts(self) -> Iterator[tuple[str, Path]]:
        """Yield where each path of the container lies; the volumes of Ringfence are shared by its services."""
        for secret in self._service.get("secrets", []):
            yield secret["target"], self._project.secrets / secret["source"]
        for volume in self._service.get("volumes", []):
            if volume["type"] == "bind":
                yield volume["target"], self._bound(Path(volume["source"]))
                continue
            local = self._project.directory / "volumes" / volume["source"]
            local.mkdir(parents=True, exist_ok=True)
            yield volume["target"], local

    def _bound(self, source: Path) -> Path:
        if source.name != "prometheus.yml":
            return source
        local = self._directory / source.name
        local.write_text(self._scraping(source))
        return local

    def _scraping(self, source: Path) -> str:
        """Prometheus' configuration, with the replicas that its name server would tell of."""
        config = yaml.safe_load(source.read_text())
        for job in config["scrape_configs"]:
            token = job["authorization"]["credentials_file"]
            job["authorization"]["credentials_file"] = str(self._project.secrets / Path(token).name)
            for found in job.pop("dns_sd_configs", []):
                (service,) = found["names"]
                replicas = [p for p in self._project.processes.values() if p.name.split("-")[0] == service]
                targets = [f"127.0.0.1:{replica.ports[str(found['port'])]}" for replica in replicas]
                job["static_configs"] = [{"targets": targets}]
            for found in job["static_configs"]:
                found["targets"] = [
                    re.sub(r"^\w+:(\d+)$", lambda t: f"127.0.0.1:{self.ports[t[1]]}", t) for t in found["targets"]
                ]
        config["global"]["scrape_interval"] = "1s"
        return yaml.safe_dump(config)

    def _whole_environment(self) -> dict[str, str]:
        inherited = {name: os.environ[name] for name in ("PATH", "JAVA_HOME", "LANG") if name in os.environ}
        image = {"HOME": str(self._directory), "LOG_DIR": str(self._directory)}
        if self._service["image"].startswith("ringfence"):
            image |= dict(
                re.findall(r"^(?:ENV)?\s+(\w+)=(/var/\S+?)(?: \\)?$", (ROOT / "Dockerfile").read_text(), re.M)
            )
            image = {name: self.here(value) for name, value in image.items()} | {"PYTHONPATH": str(ROOT)}
            own = {"8080": "SCORE", "8081": "EXPLAIN", "8082": "WORKER", "8083": "RINGS", "8084": "REFRESH"}
            image |= {f"RINGFENCE_{who}_PORT": str(self.ports[port]) for port, who in own.items()}
        return inherited | image | self.environment

    def _command(self, name: str) -> list[str]:
        command = [self.here(word) for word in self._service.get("command") or []]
        if name == "kafka":
            return self._kafka()
        if name == "postgres":
            return self._postgres(command)
        if name == "prometheus":
            return ["prometheus", *command]
        if command[0] == "ringfence":
            return [sys.executable, "-m", "services.cli", *command[1:]]
        return command

    def _user(self, name: str) -> dict[str, object]:
        return demotion() if name == "postgres" else {}

    def _kafka(self) -> list[str]:
        """Do what /etc/kafka/docker/launch does: let Kafka's own wrapper make the properties and format the disk."""
        home = Path(os.environ["KAFKA_HOME"]).resolve()
        defaults, mounted, final = (self._directory / kind for kind in ("defaults", "mounted", "final"))
        for directory in (defaults, mounted, final):
            directory.mkdir()
        for file, copy in (("server", "server.properties"), ("log4j2", "log4j2.yaml"), ("log4j2", "tools-log4j2.yaml")):
            shutil.copy(home / "config" / f"{file}{Path(copy).suffix}", defaults / copy)
        wrapper = [str(home / "bin" / "kafka-run-class.sh"), "kafka.docker.KafkaDockerWrapper", "setup"]
        wrapper += ["--default-configs-dir", str(defaults), "--mounted-configs-dir", str(mounted)]
        done = subprocess.run(
            [*wrapper, "--final-configs-dir", str(final)],
            env=self._whole_environment(), capture_output=True, text=True, timeout=START_S, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return [str(home / "bin" / "kafka-server-start.sh"), str(final / "server.properties")]

    def _postgres(self, command: list[str]) -> list[str]:
        """Do what the image's entry point does: make the data directory, its user and its database."""
        binaries = find_binaries()
        assert binaries is not None
        data, settings = self._paths["/var/lib/postgresql/data"], self.environment
        user = demotion()
        for path in (
            self._project.directory,
            *data.relative_to(self._project.directory).parents,
            data,
            self._directory,
        ):
            (self._project.directory / path).chmod(0o755)
        if user:
            shutil.chown(data, user["user"], user["group"])
            Path(settings["POSTGRES_PASSWORD_FILE"]).chmod(0o644)
        first = [str(binaries / "initdb"), "-D", str(data), "-U", settings["POSTGRES_USER"], "--no-sync"]
        first += [f"--pwfile={settings['POSTGRES_PASSWORD_FILE']}", *settings["POSTGRES_INITDB_ARGS"].split()]
        create = [str(binaries / "postgres"), "--single", "-D", str(data), "postgres"]
        for step, said in ((first, ""), (create, f'CREATE DATABASE "{settings["POSTGRES_DB"]}"\n')):
            done = subprocess.run(
                step, input=said, cwd=data, capture_output=True, text=True, timeout=START_S, check=False,
                extra_groups=[] if user else None, **user,
            )  # fmt: skip
            assert done.returncode == 0, done.stdout + done.stderr
        with (data / "pg_hba.conf").open("a") as rules:
            rules.write("host all all all scram-sha-256\n")
        return [str(binaries / command[0]), "-D", str(data), "-c", "unix_socket_directories=", *command[1:]]

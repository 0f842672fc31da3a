"""What the serving image holds: the packages of the core and the extra `fast`, found in this environment's metadata.

`python -m tests.serving_packages` prints their number and size as installed here, the largest first.
"""

import sys
import tomllib
from importlib.metadata import Distribution, distribution

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.compose import ROOT

EXTRAS = ("fast",)
REMOVED = ("mypy",)  # by the Dockerfile


def serving_packages() -> dict[str, Distribution]:
    """Follow the requirements of `ringfence[fast]` as pip does; the distributions by name."""
    found: dict[str, Distribution] = {}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    asked = project["dependencies"] + [text for extra in EXTRAS for text in project["optional-dependencies"][extra]]
    waiting = [Requirement(text) for text in asked]
    done: set[tuple[str, str]] = set()
    while waiting:
        wanted = waiting.pop()
        name = canonicalize_name(wanted.name)
        if name in REMOVED:
            continue
        for extra in ("", *sorted(wanted.extras)):
            if (name, extra) in done:
                continue
            done.add((name, extra))
            found.setdefault(name, distribution(name))
            for text in found[name].requires or []:
                requirement = Requirement(text)
                if requirement.marker is None or requirement.marker.evaluate({"extra": extra}):
                    waiting.append(requirement)
    return found


def installed_bytes(package: Distribution) -> int:
    """Return what a package's files take, compiled modules included where they have been made."""
    return sum(path.stat().st_size for file in package.files or [] if (path := package.locate_file(file)).is_file())


def main() -> None:
    sizes = {name: installed_bytes(package) for name, package in serving_packages().items()}
    lines = [f"{len(sizes)} packages, {sum(sizes.values()) / 1e6:.0f} MB"]
    largest = sorted(sizes.items(), key=lambda item: -item[1])
    lines += [f"{size / 1e6:8.1f} MB  {name}" for name, size in largest[:15]]
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()

"""Secrets from files, as Docker and Kubernetes mount them: ``<NAME>_FILE`` holds the path of what ``<NAME>`` would."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_settings import PydanticBaseSettingsSource

from features.errors import ConfigurationError

MAX_BYTES = 64 * 1024


class SecretFiles(PydanticBaseSettingsSource):
    """Reads the file that ``<NAME>_FILE`` names, for every setting that is a secret."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """Return the secret of one setting, None where no file is named; raises `ConfigurationError`."""
        name = variable(field, field_name, str(self.config["env_prefix"]))
        path = os.environ.get(f"{name}_FILE")
        if not path:
            return None, field_name, False
        if os.environ.get(name):
            raise ConfigurationError(f"Both {name} and {name}_FILE are set.", remedy="Unset one of them.")
        return read_secret(name, Path(path)), field_name, False

    def __call__(self) -> dict[str, Any]:
        """Return what files hold."""
        return dict(self._found())

    def _found(self) -> Iterator[tuple[str, str]]:
        for field_name, field in self.settings_cls.model_fields.items():
            if SecretStr in (field.annotation, *get_args(field.annotation)):
                value, _, _ = self.get_field_value(field, field_name)
                if value is not None:
                    yield field.alias or field_name, value


def variable(field: FieldInfo, field_name: str, prefix: str) -> str:
    """Return the environment variable of a setting."""
    return field.alias or f"{prefix}{field_name}".upper()


def read_secret(name: str, path: Path) -> str:
    """Return the one line in ``path``, without its end; `ConfigurationError` names variable and file, not the content.

    ``name`` is the variable that the file stands in for.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            raise _unusable(name, path, f"it has more than {MAX_BYTES:,} bytes")
        secret = content.decode().removesuffix("\n").removesuffix("\r")
    except OSError as error:
        raise _unusable(name, path, error.strerror or type(error).__name__) from None
    except UnicodeDecodeError:
        raise _unusable(name, path, "it is not text in UTF-8") from None
    if not secret:
        raise _unusable(name, path, "it is empty")
    if not secret.isprintable():
        raise _unusable(name, path, "it holds more than one line, or control characters")
    return secret


def _unusable(name: str, path: Path, reason: str) -> ConfigurationError:
    return ConfigurationError(
        f"{name}_FILE names {path}, which cannot be used: {reason}.",
        remedy=f"Put the value of {name} into that file, on one line, readable for this user; or name another file.",
    )

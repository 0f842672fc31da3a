import ast
from fnmatch import fnmatch
from pathlib import Path

import numba

import features
from features import kernel_jit

FOLDER = Path(features.__file__).parent


def test_the_cache_key_covers_every_module_that_the_kernel_is_compiled_from():
    """Constants and helpers are frozen into machine code: a module left out would be served stale after an upgrade."""
    waiting, found = list(FOLDER.glob("kernel*.py")), set()
    while waiting:
        path = waiting.pop()
        found.add(path.name)
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("features."):
                imported = FOLDER / f"{node.module.removeprefix('features.')}.py"
                if imported.name not in found:
                    waiting.append(imported)
    uncovered = {name for name in found if not any(fnmatch(name, pattern) for pattern in kernel_jit.SOURCES)}
    assert not uncovered
    assert {"kernel_windows.py", "catalogue_labels.py", "state_layout.py"} <= found


def test_the_digest_is_that_of_the_sources(monkeypatch):
    digest = kernel_jit.source_digest.__wrapped__()
    assert digest == kernel_jit.source_digest()
    monkeypatch.setattr(kernel_jit, "SOURCES", kernel_jit.SOURCES[1:])
    assert kernel_jit.source_digest.__wrapped__() != digest


def test_without_a_writable_cache_directory_code_is_compiled_in_the_process(monkeypatch):
    compiled = numba.njit

    def no_cache(function, **options):
        if options.get("cache"):
            raise RuntimeError("cannot cache function: no locator available")
        return compiled(function, **options)

    monkeypatch.setattr(numba, "njit", no_cache)
    assert kernel_jit.entry_point(lambda number: number + 1)(1) == 2

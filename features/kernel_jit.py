"""The just-in-time compiler's adapter: typed decorators, and a disk cache that cannot serve stale machine code."""

import functools
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

import numba

Function = TypeVar("Function", bound=Callable[..., Any])
_njit: Any = numba.njit  # its type stubs lack the options that leave out wrappers
SOURCES = ("catalogue*.py", "feature.py", "formula.py", "kernel*.py", "state_layout.py", "store.py")


def jit(function: Function) -> Function:
    """Compile a helper into whatever calls it; division by zero gives inf or NaN as in numpy.

    Pass constants as np.int64 and windows as arrays: literals and tuples compile a helper once for each of them.
    """
    compiled = _njit(function, error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)
    return cast(Function, compiled)


def entry_point(function: Function) -> Function:
    """Compile a function that Python calls, without the interpreter lock, keeping the machine code on disk.

    The disk cache knows only the source file and the closure of the function itself, not those of the helpers that
    are compiled into it: let ``function`` close over `source_digest`, so that a change in any of them misses the
    cache. Where no cache directory can be written, the code is compiled in every process.
    """
    try:
        return cast(Function, numba.njit(function, cache=True, error_model="numpy", nogil=True))
    except RuntimeError:  # no writable cache directory
        return cast(Function, numba.njit(function, error_model="numpy", nogil=True))


@functools.cache
def source_digest() -> str:
    """Return the sha-256 (hex) of every module whose code or constants end up in the compiled kernel."""
    digest = hashlib.sha256()
    folder = Path(__file__).parent
    for pattern in SOURCES:
        for path in sorted(folder.glob(pattern)):
            digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()

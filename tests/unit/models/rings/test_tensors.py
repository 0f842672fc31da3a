import numpy as np
import pytest

from features.errors import BundleError
from models.rings import tensors

ARRAYS = {"b": np.arange(6, dtype=np.float32).reshape(2, 3), "a": np.array([1.5], np.float32)}


def test_arrays_come_back_as_they_were():
    found = tensors.from_bytes(tensors.to_bytes(ARRAYS), "x")
    assert found.keys() == ARRAYS.keys()
    assert all(np.array_equal(found[name], ARRAYS[name]) and found[name].dtype == np.float32 for name in ARRAYS)


def test_the_safetensors_library_reads_and_writes_the_same():
    library = pytest.importorskip("safetensors.numpy")
    found = library.load(tensors.to_bytes(ARRAYS))
    assert all(np.array_equal(found[name], ARRAYS[name]) for name in ARRAYS)
    ours = tensors.from_bytes(library.save(ARRAYS, metadata={"made": "elsewhere"}), "x")
    assert all(np.array_equal(ours[name], ARRAYS[name]) for name in ARRAYS)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x05",
        tensors.to_bytes(ARRAYS)[:-1],
        tensors.to_bytes(ARRAYS).replace(b"F32", b"F64"),
        tensors.to_bytes(ARRAYS).replace(b"[2,3]", b"[2,4]"),
        b"\xff" * 40,
        tensors.to_bytes({"a": np.array([np.nan], np.float32)}),
    ],
)
def test_what_is_damaged_is_refused_by_name(content):
    with pytest.raises(BundleError, match=r"head\.bin"):
        tensors.from_bytes(content, "head.bin")

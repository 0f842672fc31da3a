import dataclasses
import json
import re
import shutil
from datetime import UTC, datetime

import msgspec
import numpy as np
import pytest

from features.errors import BundleError, ConfigurationError
from features.fingerprint import feature_digests
from models import bundle_writer, manifest
from models.bundle import load_bundle
from models.bundle_writer import BundleParts, parts_of, save_bundle
from models.calibrated_model import CalibratedModel
from models.calibration import Platt
from models.companion_fitting import fit_companions
from models.companions import Companions
from models.fitting import Sample
from models.manifest import DataSummary
from models.rings.column import RING_SCORE
from models.splits import time_split

CREATED = datetime(2030, 3, 1, tzinfo=UTC)
WATCHING = ("amount", "speed_kmh", "card_burst_count_10m", "noise", "often_missing")

EARLIER_MANIFEST = (
    b'{"format":1,"model_version":"lightgbm-cf424a4f71bf","family":"lightgbm","created_at":"2030-03-01T00:00:00Z",'
    b'"feature_names":["a"],"calibration":{"kind":"platt","slope":0.9,"intercept":-0.3},'
    b'"data":{"start":"2030-03-01T00:00:00Z","end":"2030-03-01T00:00:00Z","as_of":"2030-03-01T00:00:00Z",'
    b'"rows":10,"frauds":2,"sha256":"' + b"0" * 64 + b'"},"metrics":{"test":{"ap":0.7}},'
    b'"libraries":{"numpy":"2.4.6"},"files":{"model.txt":"' + b"0" * 64 + b'"},'
    b'"checksum":"e98fac366713aced8915b4d7ec76606160c45042cb7e68b5dcff35ae973081ff"}'
)


@pytest.fixture
def parts(scorer, rows, names):
    return BundleParts(
        model=CalibratedModel(scorer, Platt(0.9, -0.3)),
        feature_names=names,
        data=DataSummary(start=CREATED, end=CREATED, as_of=CREATED, rows=10, frauds=2, sha256="0" * 64),
        metrics={"test": {"average_precision": 0.7}},
        probes=rows[:8],
    )


@pytest.fixture
def saved(parts, tmp_path):
    return save_bundle(tmp_path / "model", parts, created_at=CREATED)


def model_file(directory):
    return next(path for path in directory.iterdir() if path.name.startswith("model."))


def reseal(directory, **changes):
    """Edit the manifest as somebody would who can compute checksums."""
    path = directory / "manifest.json"
    content = msgspec.json.decode(path.read_bytes(), type=manifest.Manifest)
    path.write_bytes(manifest.encode(manifest.sealed(msgspec.structs.replace(content, **changes))))


def test_serves_what_was_saved(saved, parts, rows, names, tmp_path):
    loaded = load_bundle(tmp_path / "model", expect_features=names)
    np.testing.assert_array_equal(loaded.log_odds(rows), parts.model.log_odds(rows))
    np.testing.assert_array_equal(loaded.score(rows), parts.model.score(rows))
    explanation = loaded.explain(rows)
    total = explanation.base + explanation.attributions.sum(axis=1)
    np.testing.assert_allclose(total, loaded.log_odds(rows), rtol=1e-6, atol=1e-9)
    loaded.smoke_test()
    assert loaded.feature_names == names
    assert loaded.manifest.metrics["test"]["average_precision"] == 0.7
    assert loaded.manifest.created_at == CREATED


def test_version_names_what_is_served(saved, parts, tmp_path):
    later = save_bundle(tmp_path / "again", parts, created_at=datetime(2031, 1, 1, tzinfo=UTC))
    assert later.version == saved.version
    assert later.version.startswith(parts.model.scorer.family + "-")
    recalibrated = msgspec.structs.replace(parts.model.calibration, intercept=0.0)
    other = BundleParts(
        CalibratedModel(parts.model.scorer, recalibrated), parts.feature_names, parts.data, parts.metrics, parts.probes
    )
    assert save_bundle(tmp_path / "other", other, created_at=CREATED).version != saved.version


def test_saving_again_replaces_the_bundle_and_leaves_nothing_behind(saved, parts, tmp_path):
    model_file(tmp_path / "model").unlink()
    save_bundle(tmp_path / "model", parts, created_at=CREATED).smoke_test()
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_failed_save_leaves_the_old_bundle(saved, parts, names, tmp_path, monkeypatch):
    def no_space(_path):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(bundle_writer, "sync", no_space)
    with pytest.raises(OSError, match="No space"):
        save_bundle(tmp_path / "model", parts, created_at=CREATED)
    assert load_bundle(tmp_path / "model", expect_features=names).version == saved.version
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_other_directories_are_not_overwritten(parts, tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(ConfigurationError, match="not a model bundle"):
        save_bundle(tmp_path, parts, created_at=CREATED)
    assert (tmp_path / "thesis.txt").read_text() == "mine"


def test_missing_directory_is_refused(tmp_path):
    with pytest.raises(BundleError, match=r"manifest\.json is missing"):
        load_bundle(tmp_path / "nowhere", expect_features=None)


@pytest.mark.parametrize("name", ["manifest.json", "probes.json", "model"])
@pytest.mark.parametrize("damage", ["truncated", "flipped", "deleted", "emptied", "linked"])
def test_damaged_file_is_refused_by_name(saved, names, tmp_path, name, damage):
    path = model_file(tmp_path / "model") if name == "model" else tmp_path / "model" / name
    content = path.read_bytes()
    middle = len(content) // 2
    if damage == "truncated":
        path.write_bytes(content[:middle])
    elif damage == "flipped":
        path.write_bytes(content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :])
    elif damage == "emptied":
        path.write_bytes(b"")
    elif damage == "linked":
        path.rename(tmp_path / "elsewhere")
        path.symlink_to(tmp_path / "elsewhere")
    else:
        path.unlink()
    with pytest.raises(BundleError, match=path.name) as caught:
        load_bundle(tmp_path / "model", expect_features=names)
    assert "ringfence train" in caught.value.remedy


@pytest.mark.parametrize("content", [b"\x80\x04\x95\x00pickle", b"#!/bin/sh\n"])
def test_foreign_model_file_is_refused_even_with_a_matching_hash(saved, names, tmp_path, content):
    path = model_file(tmp_path / "model")
    path.write_bytes(content)
    files = saved.manifest.files | {path.name: bundle_writer.sha256_hex(content)}
    reseal(tmp_path / "model", files=files)
    with pytest.raises(BundleError, match=path.name):
        load_bundle(tmp_path / "model", expect_features=names)


@pytest.mark.parametrize("name", ["../outside.txt", "/etc/passwd", "model.pkl/../x.txt", ".hidden", "a b.txt", ""])
def test_path_traversal_is_refused(saved, names, tmp_path, name):
    reseal(tmp_path / "model", files=saved.manifest.files | {name: "0" * 64})
    with pytest.raises(BundleError, match="not a plain file name"):
        load_bundle(tmp_path / "model", expect_features=names)


def test_extra_artefact_is_refused(saved, names, tmp_path):
    reseal(tmp_path / "model", files=saved.manifest.files | {"extra.pkl": "0" * 64})
    with pytest.raises(BundleError, match=r"lists .*extra\.pkl"):
        load_bundle(tmp_path / "model", expect_features=names)


def test_edited_metrics_are_noticed(saved, names, tmp_path):
    path = tmp_path / "model" / "manifest.json"
    path.write_text(path.read_text().replace("0.7", "0.9"))
    with pytest.raises(BundleError, match="checksum"):
        load_bundle(tmp_path / "model", expect_features=names)


@pytest.mark.parametrize("found", [2, None, "1"])
def test_unknown_format_is_refused(saved, names, tmp_path, found):
    path = tmp_path / "model" / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"format": found}))
    with pytest.raises(BundleError, match="this version reads format 1"):
        load_bundle(tmp_path / "model", expect_features=names)


def test_unknown_family_is_refused(saved, names, tmp_path):
    reseal(tmp_path / "model", family="catboost")
    with pytest.raises(BundleError, match="unknown model family 'catboost'"):
        load_bundle(tmp_path / "model", expect_features=names)


def test_other_features_are_refused(saved, names, tmp_path):
    with pytest.raises(BundleError, match=r"needs \['noise'\] and does not know \['entropy'\]"):
        load_bundle(tmp_path / "model", expect_features=["entropy" if name == "noise" else name for name in names])
    with pytest.raises(BundleError, match="another order"):
        load_bundle(tmp_path / "model", expect_features=names[::-1])


@pytest.fixture
def of_the_catalogue(parts):
    """A bundle of features of the catalogue, and some that are not in it."""
    return dataclasses.replace(parts, feature_names=("amount", "card_count_1h", *parts.feature_names[2:]))


def test_a_feature_that_is_computed_in_another_way_is_refused(of_the_catalogue, tmp_path):
    names, digests = of_the_catalogue.feature_names, feature_digests()
    saved = save_bundle(tmp_path / "model", of_the_catalogue, created_at=CREATED)
    assert saved.manifest.feature_digests == {name: digests[name] for name in names if name in digests}
    reseal(tmp_path / "model", feature_digests={"amount": digests["amount"], "card_count_1h": "0" * 12})
    with pytest.raises(BundleError, match=r"in another way now: card_count_1h\. Train again"):
        load_bundle(tmp_path / "model", expect_features=names)
    assert load_bundle(tmp_path / "model", expect_features=None).version != saved.version


def test_a_bundle_from_before_there_were_digests_is_served(of_the_catalogue, tmp_path):
    save_bundle(tmp_path / "model", of_the_catalogue, created_at=CREATED)
    reseal(tmp_path / "model", feature_digests=msgspec.UNSET)
    assert "feature_digests" not in (tmp_path / "model" / "manifest.json").read_text()
    load_bundle(tmp_path / "model", expect_features=of_the_catalogue.feature_names).smoke_test()


def test_a_manifest_of_an_earlier_version_still_matches_its_checksum():
    read = manifest.decode(EARLIER_MANIFEST, "manifest.json")
    assert read.feature_digests is msgspec.UNSET
    assert msgspec.json.encode(read) == EARLIER_MANIFEST


def test_width_must_match_the_model(saved, names, tmp_path):
    reseal(tmp_path / "model", feature_names=(*names, "one_more"))
    with pytest.raises(BundleError, match="expects 5 features; the manifest names 6"):
        load_bundle(tmp_path / "model", expect_features=None)


def test_smoke_test_notices_other_scores(saved, tmp_path):
    reseal(tmp_path / "model", calibration=Platt(0.9, -0.31))
    with pytest.raises(BundleError, match="failed its smoke test: 8 of 8"):
        load_bundle(tmp_path / "model", expect_features=None).smoke_test()


@pytest.fixture(scope="module")
def accompanied(data, scorers, tmp_path_factory):
    """A bundle with both companions, and its directory."""
    table, features = data
    model, fraud = CalibratedModel(scorers["lightgbm"], Platt(0.9, -0.3)), table["is_fraud"].to_numpy(dtype=bool)
    split = time_split(table)
    seen, later = (Sample(features[rows], fraud[rows]) for rows in (split.fitted, split.calibration.rows))
    companions = fit_companions(model, seen, later, WATCHING)
    summary = DataSummary(start=CREATED, end=CREATED, as_of=CREATED, rows=10, frauds=2, sha256="0" * 64)
    parts = BundleParts(model, WATCHING, summary, {}, features[:8], companions)
    directory = tmp_path_factory.mktemp("bundles") / "model"
    return parts, save_bundle(directory, parts, created_at=CREATED), directory


@pytest.fixture
def copied(accompanied, tmp_path):
    return shutil.copytree(accompanied[2], tmp_path / "model")


def test_companions_come_back_as_they_were_saved(accompanied, rows):
    parts, bundle, directory = accompanied
    loaded = load_bundle(directory, expect_features=WATCHING)
    loaded.smoke_test()
    np.testing.assert_array_equal(loaded.anomaly.percentile(rows), parts.companions.anomaly.percentile(rows))
    np.testing.assert_array_equal(loaded.fallback.score(rows), parts.companions.fallback.score(rows))
    assert set(bundle.manifest.files) == {"model.txt", "probes.json", "anomaly.json", "fallback.json", "fallback.txt"}


def test_a_bundle_without_companions_is_another_version_and_loads(accompanied, tmp_path):
    parts, bundle, _ = accompanied
    alone = save_bundle(tmp_path / "alone", dataclasses.replace(parts, companions=Companions()), created_at=CREATED)
    assert (alone.anomaly, alone.fallback) == (None, None)
    assert alone.version != bundle.version
    alone.smoke_test()


@pytest.mark.parametrize("name", ["anomaly.json", "fallback.json", "fallback.txt"])
@pytest.mark.parametrize("damage", ["flipped", "deleted"])
def test_a_damaged_companion_is_refused_by_name(copied, name, damage):
    path = copied / name
    content = path.read_bytes()
    path.write_bytes(content[:50] + bytes([content[50] ^ 1]) + content[51:]) if damage == "flipped" else path.unlink()
    with pytest.raises(BundleError, match=re.escape(name)):
        load_bundle(copied, expect_features=WATCHING)


def test_half_a_companion_is_refused(accompanied, copied):
    files = {name: sha256 for name, sha256 in accompanied[1].manifest.files.items() if name != "fallback.txt"}
    reseal(copied, files=files)
    with pytest.raises(BundleError, match=r"lists .*fallback\.json"):
        load_bundle(copied, expect_features=WATCHING)


@pytest.mark.parametrize(
    ("name", "old", "new", "said"),
    [
        ("anomaly.json", b'"percentiles":[', b'"percentiles":[0.5,', "anomaly score"),
        ("fallback.json", b'"log_odds":[', b'"log_odds":[0.5,', "fallback"),
        ("fallback.json", b'"intercept":', b'"intercept":1', "fallback"),
    ],
)
def test_the_smoke_test_covers_the_companions(accompanied, copied, name, old, new, said):
    content = (copied / name).read_bytes().replace(old, new)
    (copied / name).write_bytes(content)
    reseal(copied, files=accompanied[1].manifest.files | {name: bundle_writer.sha256_hex(content)})
    with pytest.raises(BundleError, match=f"its {said} scored probes differently"):
        load_bundle(copied, expect_features=WATCHING).smoke_test()


def test_the_ring_score_is_the_last_column_of_a_bundle_that_names_its_network(parts, rows, names, tmp_path):
    taking = dataclasses.replace(parts, feature_names=(*names[:-1], RING_SCORE), ring_model="rings-0123456789ab")
    saved = save_bundle(tmp_path / "model", taking, created_at=CREATED)
    loaded = load_bundle(tmp_path / "model", expect_features=names[:-1])
    assert (loaded.ring_model, loaded.network) == ("rings-0123456789ab", None)
    assert loaded.version == saved.version
    other = dataclasses.replace(taking, ring_model="rings-0123456789ac")
    assert save_bundle(tmp_path / "other", other, created_at=CREATED).version != saved.version
    without = rows.copy()
    without[:, -1] = np.nan
    np.testing.assert_array_equal(loaded.log_odds(rows[:, :-1]), loaded.log_odds(without))
    assert parts_of(loaded).ring_model == "rings-0123456789ab"


def test_a_ring_score_of_no_network_is_refused(parts, names, tmp_path):
    unnamed = dataclasses.replace(parts, feature_names=(*names[:-1], RING_SCORE))
    with pytest.raises(BundleError, match="other features"):
        save_bundle(tmp_path / "model", unnamed, created_at=CREATED)

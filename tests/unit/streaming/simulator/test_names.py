import numpy as np
import pandas as pd

from streaming.simulator import names


def test_tokens_are_padded_and_addresses_private() -> None:
    assert names.tokens("card_", np.array([1, 1234567])).tolist() == ["card_0000001", "card_1234567"]
    assert names.addresses(np.array([0, 2**24 - 1])).tolist() == ["10.0.0.0", "10.255.255.255"]


def test_shuffled_ids_keep_identity_and_lose_order() -> None:
    codes = np.concatenate([np.arange(0, 2000, 2), np.arange(0, 2000, 2), [-1]])
    for column in (
        names.shuffled(np.random.default_rng(0), codes, "dev_"),
        names.shuffled_addresses(np.random.default_rng(0), codes),
    ):
        ids = pd.Series(column)
        assert ids[:1000].tolist() == ids[1000:2000].tolist()
        assert ids[:1000].nunique() == 1000
        assert pd.isna(ids.iloc[-1])
        rank = column.codes[:1000]
        assert abs(np.corrcoef(rank, np.arange(1000))[0, 1]) < 0.1


def test_all_missing_is_possible() -> None:
    assert pd.Series(names.shuffled(np.random.default_rng(0), np.array([-1, -1]), "dev_")).isna().all()

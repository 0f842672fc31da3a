import pandas as pd

from models.segments import first_seen, segments


def table(**changes):
    times = pd.to_datetime(["2024-01-01", "2024-01-05", "2024-01-20", "2024-01-21"], utc=True)
    columns = {
        "event_time": times.astype("datetime64[us, UTC]"),
        "card_id": ["a", "a", "a", "b"],
        "amount": [9.99, 10.0, 1000.0, 55.0],
        "channel": ["pos", None, "ecommerce", "pos"],
        "country": [None, None, None, None],
        "mcc": ["5411", "0742", "4829", None],
    }
    return pd.DataFrame(columns | changes)


def test_every_row_has_its_segment_and_absent_columns_none():
    data = table()
    found = segments(data, first_seen(data))
    assert {name: labels.tolist() for name, labels in found.items()} == {
        "amount": ["under 10", "10 to 50", "1000 or more", "50 to 200"],
        "card": ["first seen within 7 days"] * 2 + ["known for longer", "first seen within 7 days"],
        "channel": ["pos", "", "ecommerce", "pos"],
        "merchant category": ["retail", "agriculture and contractors", "telecom and utilities", ""],
    }


def test_a_card_is_known_from_the_whole_history_and_categories_are_text():
    data = table().astype({"card_id": "category", "channel": "category", "mcc": "category"})
    seen = data.iloc[2:]
    assert segments(seen, first_seen(data).iloc[2:])["card"].tolist()[0] == "known for longer"
    assert segments(seen, first_seen(seen))["card"].tolist()[0] == "first seen within 7 days"

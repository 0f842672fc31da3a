from datetime import UTC, datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from features.epoch import epoch_us, from_epoch_us


@given(st.datetimes(timezones=st.just(UTC)))
def test_the_microseconds_of_every_time_are_exact(time):
    assert epoch_us(time) == (time - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    assert from_epoch_us(epoch_us(time)) == time


def test_microseconds_do_not_depend_on_the_zone():
    zone = timezone(timedelta(hours=5, minutes=30))
    assert epoch_us(datetime(2024, 3, 1, 5, 30, tzinfo=zone)) == epoch_us(datetime(2024, 3, 1, tzinfo=UTC))
    assert epoch_us(datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)) == -1

"""Card numbers are recognised and masked; other long numbers are left alone."""

import pytest

from features.reference import COUNTRIES, CURRENCIES, is_card_number, mask_card_numbers


@pytest.mark.parametrize(
    "number", ["4111111111111111", "4111 1111 1111 1111", "378282246310005", "5555-5555-5555-4444"]
)
def test_card_numbers(number):
    assert is_card_number(number)


@pytest.mark.parametrize(
    "text", ["4111111111111112", "411111111111", "card_4111", "", "41111111111111111111", "٤" * 16]
)
def test_not_card_numbers(text):
    assert not is_card_number(text)


def test_masking_keeps_the_last_four_and_the_rest_of_the_text():
    assert mask_card_numbers("pay 4111 1111 1111 1111 now") == "pay ************1111 now"
    assert mask_card_numbers("order 4111111111111112") == "order 4111111111111112"


def test_reference_lists():
    assert {"EUR", "USD", "JPY"} <= CURRENCIES
    assert {"FR", "US", "XK"} <= COUNTRIES
    assert len(COUNTRIES) == 250

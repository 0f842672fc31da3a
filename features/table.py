"""The canonical table: a history of transactions, with labels where they are known, as one pandas frame.

Columns are the fields of `features.transaction.Transaction`, then ``is_fraud`` and ``label_time``:

| column | dtype | missing |
| --- | --- | --- |
| transaction_id, card_id, merchant_id | str | never |
| event_time | datetime64[us, UTC] | never |
| amount | float64, major units | never |
| currency | str | never |
| mcc, customer_id, counterparty_id, device_id, ip, country, channel, entry_mode | str | None |
| latitude, longitude | float64, degrees | NaN |
| is_fraud | Int8 (nullable) | unlabelled |
| label_time | datetime64[us, UTC]: when the label became known | NaT |

Rows are sorted by ``event_time``; equal times keep the file's order, which is the order of the fold. String columns
may be categorical. Columns that a data set lacks entirely are present and all missing.
"""

REQUIRED = ("transaction_id", "event_time", "card_id", "merchant_id", "amount", "currency")
OPTIONAL_TEXT = ("mcc", "customer_id", "counterparty_id", "device_id", "ip", "country", "channel", "entry_mode")
OPTIONAL_NUMBERS = ("latitude", "longitude")
LABELS = ("is_fraud", "label_time")
COLUMNS = (*REQUIRED, *OPTIONAL_TEXT, *OPTIONAL_NUMBERS, *LABELS)

"""Money saved: what a policy spares compared with having no model at all."""

import numpy as np
from numpy.typing import ArrayLike

from models.policy import Costs
from models.policy_choice import Floats, cost_by_transaction


def saved_by_transaction(verdicts: ArrayLike, amounts: ArrayLike, is_fraud: ArrayLike, costs: Costs) -> Floats:
    """Money saved by each verdict, in the amounts' currency, shape (n,); their sum is the money saved.

    It is the loss without any model, where every payment is approved and each fraud loses ``fraud_loss_share`` of its
    amount, minus the cost under the policy: the loss from frauds approved or missed in review, ``review_cost`` for each
    review, and the false-decline cost of each genuine payment declined. A policy can lose money: below 0, no model
    would have been cheaper. Fixed costs (running the model, the analysts' office) are not in it.
    """
    without = cost_by_transaction(np.full(np.shape(amounts), "approve"), amounts, is_fraud, costs)
    return without - cost_by_transaction(verdicts, amounts, is_fraud, costs)

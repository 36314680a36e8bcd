"""Which model an adapter was put into: what both say is held side by side."""

from __future__ import annotations

import re


def without_adapter(model: str, adapter: str) -> str:
    """Return the name of the model itself from that of a model with an adapter ("m@1+my-dpo@2?dtype=x", "my-dpo").

    Engines put the adapter's name and revision behind the model's; a name that doesn't hold it is returned as it is.
    """
    if not adapter:
        return model
    return re.sub(rf"\+(?:[^+?@]*/)?{re.escape(adapter)}(?:@[^+?@]*)?(?=\?|\+|$)", "", model, count=1)

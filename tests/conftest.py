"""No test may reach the network: the hub's library reads this once, when it is first imported."""

from __future__ import annotations

import os

os.environ["HF_HUB_OFFLINE"] = "1"

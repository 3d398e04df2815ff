"""No test may reach the network, and none may keep the others' cores busy with waiting."""

from __future__ import annotations

import os

# the hub's library reads this once, when it is first imported
os.environ["HF_HUB_OFFLINE"] = "1"
# torch's threads spin while they wait for one another, which among several processes makes all of them several times slower
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

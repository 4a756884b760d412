"""The bench's workload as a Flower app: it trains with this project's own function, on the same shards.

The function's module names two of the resources' schemas, which training does not need: stand-ins spare every one of
Flower's processes the import of pydantic, in time and in memory.
"""

import sys
from types import SimpleNamespace

sys.modules.setdefault("consilia.spec", SimpleNamespace(Algorithm=object, Model=object))

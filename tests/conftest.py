"""How hard properties are tried: a little at every check, and hard in CI."""

import os

from hypothesis import settings

# No deadline: how long one example takes depends on what else the machine does.
settings.register_profile("check", max_examples=25, deadline=None)
settings.register_profile("hard", max_examples=400, deadline=None, print_blob=True)
settings.load_profile("hard" if os.environ.get("CI") == "true" else "check")

"""``python -m consilia_local``: the ``consilia`` command."""

import sys

from consilia_local.cli import main

sys.exit(main())

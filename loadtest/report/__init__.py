import sys
from typing import Any

modules: dict[str, Any] = sys.modules
# where Jupyter is installed, Altair would build its grammar for a second, and ask it nothing
modules.setdefault("rfc3987_syntax", None)

"""nbformat, loaded without a grammar of internationalised web addresses that takes five times as long as all the rest of it.

jsonschema, which checks notebooks for nbformat, loads the grammar where its optional package is found, and Jupyter brings that package. No
schema of a notebook asks for such addresses. Who imports nbformat, or papermill, after this module has it at once.
"""

import sys

_GRAMMAR = "rfc3987_syntax"

_to_hide = _GRAMMAR not in sys.modules
if _to_hide:
    sys.modules[_GRAMMAR] = None
try:
    import nbformat
    from nbformat import NotebookNode
finally:
    if _to_hide:
        del sys.modules[_GRAMMAR]

__all__ = ["NotebookNode", "nbformat"]

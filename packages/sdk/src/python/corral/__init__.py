"""What a Python model imports from Corral: `from corral import llm`.

Works inside a replica only, which starts the code and answers its calls.
"""

from . import llm
from ._link import CallRefused

__all__ = ["CallRefused", "llm"]

"""The metadata of all tables, whoever declares them. A module with tables is named here and nowhere else."""

from __future__ import annotations

import importlib

from console.storage.base import Base

MODULES = ("console.storage.tables", "console.access.tables")

for _module in MODULES:
    importlib.import_module(_module)

metadata = Base.metadata

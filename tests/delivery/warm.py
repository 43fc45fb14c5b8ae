"""Imported by the process that workers are forked from: what every one of them would load anew.

A worker still reads its own configuration and makes its own application; it only finds the modules
and caches there that a first reading leaves behind.
"""

from models.detectors import settings_types
from streams import __main__, fitting, stages, worker  # noqa: F401
from streams.commands.config import SHIPPED
from streams.configuration import load
from tests.delivery import run  # noqa: F401

load(SHIPPED, SHIPPED, settings_types())

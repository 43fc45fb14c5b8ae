"""The servers, started once for the module that asks for them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.prometheus.servers import ServersMissing
from tests.prometheus.site import Site, site


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with ExitStack() as stack:
        try:
            yield stack.enter_context(site(tmp_path_factory.mktemp("site")))
        except ServersMissing as error:
            if os.environ.get("REQUIRE_PROMETHEUS"):
                pytest.fail(str(error))
            pytest.skip(str(error))

"""What jobs that run by themselves need: sites, a PostgreSQL, and that no process is left."""

import pytest

from tests.contract.conftest import postgresql_server, postgresql_url
from tests.e2e.clockwork import Site, end

__all__ = ["postgresql_server", "postgresql_url", "site", "sites"]


@pytest.fixture
def sites(tmp_path):
    """Makes folders with a configuration each, whose processes are ended with the test."""
    made = []

    def make(name="site", url=""):
        made.append(Site(tmp_path / name, url))
        return made[-1]

    yield make
    end([process for each in made for process in each.started])


@pytest.fixture
def site(sites):
    return sites()

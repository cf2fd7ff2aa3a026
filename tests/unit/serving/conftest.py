import pytest

from tests.unit.serving.kept import Client, Kept


@pytest.fixture
def kept(tmp_path):
    made = Kept(tmp_path)
    yield made
    made.close()


@pytest.fixture
def client(kept):
    return Client(kept.site())

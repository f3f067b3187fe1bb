"""Schemathesis: requests made from the API's own description meet no error of the server."""

import pytest

schemathesis = pytest.importorskip("schemathesis", reason='pip install "unshine[dev]"')

from hypothesis import HealthCheck, settings
from serving import file, image


@pytest.fixture(scope="module")
def contract(served):
    return schemathesis.openapi.from_url(f"{served.url}/openapi.json")


api = schemathesis.pytest.from_fixture("contract")


@pytest.mark.slow
@api.parametrize()
@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
def test_every_answer_is_one_that_is_described(case):
    case.call_and_validate(timeout=60)


def test_the_description_is_valid_openapi(client):
    schema = schemathesis.openapi.from_dict(client.get("/openapi.json").json())
    schema.validate()
    names = [operation.ok().label for operation in schema.get_all_operations()]
    assert "POST /v1/remove" in names
    assert client.post("/v1/remove", content=file(image())).status_code == 200

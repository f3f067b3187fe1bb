"""Schemathesis: requests made from the API's own description meet no error of the server."""

import pytest

schemathesis = pytest.importorskip("schemathesis", reason='pip install "unshine[dev]"')

from hypothesis import HealthCheck, given, settings
from schemathesis.specs.openapi.checks import positive_data_acceptance
from serving import file, image

OPERATIONS = [
    ("/v1/remove", "POST"), ("/v1/decompose", "POST"), ("/v1/mask", "POST"),
    ("/v1/preview", "POST"), ("/v1/info", "GET"), ("/metrics", "GET"), ("/healthz", "GET"),
    ("/readyz", "GET"),
]  # fmt: skip


@pytest.fixture(scope="module")
def schema(served):
    return schemathesis.openapi.from_url(f"{served.url}/openapi.json")


def test_every_operation_is_tried(schema):
    found = {
        (result.ok().path, result.ok().method.upper()) for result in schema.get_all_operations()
    }
    assert found == set(OPERATIONS)


@pytest.mark.slow
@pytest.mark.parametrize(("path", "method"), OPERATIONS)
def test_every_answer_is_one_that_is_described(schema, path, method):
    @given(case=schema[path][method].as_strategy())
    @settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
    def answers_as_described(case):
        # No schema can say which bytes are an image: those that are none are refused, rightly.
        case.call_and_validate(excluded_checks=[positive_data_acceptance], timeout=60)

    answers_as_described()


def test_the_description_is_valid_openapi(client):
    schema = schemathesis.openapi.from_dict(client.get("/openapi.json").json())
    schema.validate()
    assert client.post("/v1/remove", content=file(image())).status_code == 200

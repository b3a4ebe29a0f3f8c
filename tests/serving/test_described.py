"""The description at /openapi.json is true: schemathesis asks what it allows and what it forbids, and finds nothing."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from counterpoint.search import Index
from counterpoint.serving.app import application
from counterpoint.serving.service import Service

schemathesis = pytest.importorskip("schemathesis", reason="the description is not tested: schemathesis is missing")
EXAMPLES = 12  # of each kind for each address


@pytest.fixture(scope="module")
def schema(tmp_path_factory, encoder):
    texts = ["paint the boat", "feed the cat", "rain on the roof"]
    z = encoder.encode(texts, kind="document")
    folder = tmp_path_factory.mktemp("described") / "index"
    Index.build(folder, ["a", "b", "c"], texts, z, columns={"size": [1, 2, 3]}, encoder=encoder).close()
    service = Service(encoder, "packages", Index.open(folder), writable=True, pictures=folder)
    config = schemathesis.Config()
    # what has the right form may still be refused for what it means, such as a column that there is not
    config.projects.default.checks.positive_data_acceptance.expected_statuses = ["2xx", "400", "404"]
    yield schemathesis.openapi.from_asgi("/openapi.json", application(service), config=config)
    service.close()


@pytest.mark.parametrize("mode", ["POSITIVE", "NEGATIVE"])
def test_nothing_is_found(schema, mode):
    asked = []

    def ask(operation):
        @settings(
            max_examples=EXAMPLES,
            derandomize=True,
            database=None,
            deadline=None,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(operation.as_strategy(generation_mode=schemathesis.GenerationMode[mode]))
        def check(case):
            asked.append((case.method, operation.path))
            case.call_and_validate()

        check()

    operations = [found.ok() for found in schema.get_all_operations()]
    for operation in operations:
        # there is nothing that could be wrong in asking for what takes nothing
        if mode == "POSITIVE" or operation.body or operation.query:
            ask(operation)
    addresses = {path for _, path in asked}
    assert {"/v1/embeddings", "/v1/rerank", "/search", "/documents", "/neighbours/{id}"} <= addresses

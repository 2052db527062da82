"""What schemathesis is told beside the OpenAPI document: a model that there is, and a check of our own."""

import schemathesis


@schemathesis.hook
def map_body(ctx, body):
    """Of random models' names all would be unknown, and no question of the OpenAI form would get further."""
    if isinstance(body, dict) and isinstance(body.get("model"), str):
        body["model"] = "assistant"
    return body


@schemathesis.check
def typed_error(ctx, response, case) -> None:
    """Every answer that is no success is a typed error, with the id of the request."""
    if response.status_code < 400 or case.path in ("/healthz", "/readyz", "/metrics"):
        return
    error = response.json()["error"]
    assert error["code"].replace("_", "").isalpha() and error["code"].islower()
    assert error["message"]
    assert [error["request_id"]] == response.headers["x-request-id"]
    if case.path.startswith("/v1/"):
        assert error["type"].endswith("_error")

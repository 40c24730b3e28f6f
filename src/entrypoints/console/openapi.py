"""The OpenAPI document: what the framework reads from the handlers, completed in one place.

Handlers say what is theirs (operation id, tag, docstring, structs). What all of them have in common
is added here, so that no resource can forget it: problem documents (RFC 9457) for every status a
call may end with, entity tags, the address of what was created, and which calls need no credential.
"""

from collections.abc import Iterator, Mapping
from inspect import cleandoc
from typing import Any, cast

import msgspec
from litestar import Litestar, Router
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.plugins import JsonRenderPlugin, OpenAPIRenderPlugin
from litestar.openapi.spec import Components, Reference, SecurityScheme
from litestar.routes import HTTPRoute

from entrypoints.asgi import AnyRequest
from entrypoints.console.idempotency import HEADER, honours_key
from entrypoints.console.problems import MEDIA_TYPE, TITLES, Problem
from entrypoints.console.security import PUBLIC
from entrypoints.version import VERSION

Node = dict[str, Any]

_ABOUT = """\
Everything the console can do. Errors are problem documents (RFC 9457). Lists are walked with
`cursor` until `next_cursor` is null. `PATCH` merges (RFC 7396). Send the `ETag` of what you have
read as `If-Match`, and changes of others in the meantime are refused instead of overwritten. With
an `Idempotency-Key` a `POST` can be repeated safely. `dry_run` tells what a call would do.
"""
TAGS = {
    "access": "Who may do what, and why.",
    "audit": "What was changed or refused, by whom, and the proof that nothing is missing.",
    "auth": "Signing in and out, sessions, second factors.",
    "budgets": "Calendar budgets and the alerts they gave.",
    "config": "The whole configuration as one document: plan, apply, export.",
    "health": "How this installation is.",
    "invites": "Invitations of people who have no account yet.",
    "keys": "API keys: create, rotate, revoke.",
    "limits": "Window rules, concurrency caps, overrides, and the live counters.",
    "me": "The account of whoever asks.",
    "models": "Models that clients see, and their routes.",
    "permissions": "The catalogue of permissions.",
    "prices": "What tokens cost, and from when on.",
    "providers": "Upstream providers, their credentials and the models they offer.",
    "requests": "Records of what went through the gateway.",
    "roles": "Roles, built in and custom.",
    "routing": "Where requests go, and the state of every route.",
    "service-accounts": "Accounts of programs.",
    "sessions": "Console sessions of others.",
    "settings": "Settings, their history, and where each value comes from.",
    "setup": "The first run of an installation.",
    "sso": "Identity providers for single sign-on.",
    "teams": "Teams and their members.",
    "users": "People who have an account.",
}
_METHODS = ("get", "put", "post", "delete", "patch", "head", "options", "trace")
_PROBLEMS: dict[int, tuple[str, str, str]] = {
    400: ("BadRequest", "invalid_request", "A value is missing, malformed or not allowed."),
    401: ("CredentialNeeded", "token_required", "No valid credential came with the call."),
    403: ("NotAllowed", "permission_denied", "The caller may not do this."),
    404: ("NotFound", "not_found", "There is no such thing, or the caller may not see it."),
    409: ("Conflict", "conflict", "It contradicts what is there or is going on."),
    412: ("PreconditionFailed", "precondition_failed", "It was changed since it was read."),
    413: ("RequestTooLarge", "request_too_large", "The body is too large."),
    415: ("UnsupportedMediaType", "unsupported_media_type", "The body is not JSON."),
    422: ("Unprocessable", "unprocessable", "It cannot be carried out as it is."),
    429: ("TooManyRequests", "too_many_requests", "Too many attempts; see `Retry-After`."),
    500: ("InternalError", "internal_error", "The call failed for a reason that is not told."),
    502: ("BadGateway", "upstream_failure", "A provider gave no usable answer."),
    503: ("Unavailable", "service_unavailable", "A store does not answer; try again."),
    504: ("GatewayTimeout", "upstream_timeout", "A provider did not answer in time."),
}
_SCHEMES: dict[str, SecurityScheme | Reference] = {
    "bearer": SecurityScheme(
        type="http",
        scheme="bearer",
        description="A session's access token (see `/api/auth/login`), or a key whose surfaces "
        "include the console.",
    ),
    "cookie": SecurityScheme(
        type="apiKey",
        security_scheme_in="cookie",
        name="__Host-tw_access",
        description="The access cookie of a session; over plain HTTP without `__Host-`.",
    ),
    "refresh": SecurityScheme(
        type="apiKey",
        security_scheme_in="cookie",
        name="__Host-tw_refresh",
        description="The refresh cookie; over plain HTTP without `__Host-`.",
    ),
    "csrf": SecurityScheme(
        type="apiKey",
        security_scheme_in="header",
        name="X-CSRF-Token",
        description="Beside a cookie, for everything that changes something.",
    ),
}
_DOCUMENT = "openapi_document"


def openapi_config(page: OpenAPIRenderPlugin) -> OpenAPIConfig:
    """Return the framework's part; `page` shows the document to people."""
    return OpenAPIConfig(
        title="ThinkWatch console",
        version=VERSION,
        description=_ABOUT,
        openapi_router=Router(
            "/api-docs", route_handlers=[], opt={PUBLIC: True}, include_in_schema=False
        ),
        render_plugins=[page, _DocumentBesideThePage()],
        components=Components(security_schemes=_SCHEMES),
        security=[{"bearer": []}, {"cookie": [], "csrf": []}],
        use_handler_docstrings=True,
    )


class _DocumentBesideThePage(JsonRenderPlugin):
    """The document under `/api-docs`, where the framework would serve its uncompleted form."""

    def render(self, request: AnyRequest, openapi_schema: Node) -> bytes:  # noqa: ARG002
        return document_json(request.app)


def problems(*statuses: int) -> Mapping[int, ResponseSpec]:
    """Return problem documents for statuses that only some calls end with, as their `responses`."""
    return {
        status: ResponseSpec(Problem, media_type=MEDIA_TYPE, generate_examples=False)
        for status in statuses
    }


def document_json(app: Litestar) -> bytes:
    """Return the document as JSON; it is made once."""
    made: bytes | None = app.state.get(_DOCUMENT)
    if made is None:
        made = msgspec.json.encode(document_of(app), order="sorted")
        app.state[_DOCUMENT] = made
    return made


def document_of(app: Litestar) -> Node:
    """Return the document: what this product can do, nothing of this installation."""
    document: Node = app.openapi_schema.to_schema()
    handlers = dict(_handlers(app))
    used: set[int] = set()
    tags: set[str] = set()
    for path, item in document["paths"].items():
        if "get" in item:
            item.pop("head", None)  # implied: RFC 9110 section 9.3.2
        tagged = any(_has_parameter(item.get(method, {}), "If-Match") for method in _METHODS)
        for method in _METHODS:
            if method in item:
                operation = item[method]
                handler = handlers[path, method]
                _complete(operation, method, is_public=handler.opt.get(PUBLIC) is True)
                if honours_key(method.upper(), handler.opt):
                    operation.setdefault("parameters", []).append(_IDEMPOTENCY_KEY)
                _add_headers(operation, has_etag=tagged and method != "delete")
                used |= _refer_to_problems(operation["responses"])
                tags |= set(operation.get("tags", ()))
    components = document["components"]
    _, problem_schemas = msgspec.json.schema_components(
        [Problem], ref_template="#/components/schemas/{name}"
    )
    components.setdefault("schemas", {}).update(problem_schemas)
    components["responses"] = {_PROBLEMS[status][0]: _problem(status) for status in sorted(used)}
    components["headers"] = _HEADERS
    document["tags"] = [
        {"name": name, **({"description": TAGS[name]} if name in TAGS else {})}
        for name in sorted(tags)
    ]
    _tidy(document)
    return document


def _handlers(app: Litestar) -> Iterator[tuple[tuple[str, str], HTTPRouteHandler]]:
    for route in app.routes:
        if isinstance(route, HTTPRoute):
            for method, (handler, _) in route.route_handler_map.items():
                yield (route.path_format, str(method).lower()), handler


def _has_parameter(operation: Node, name: str) -> bool:
    return any(each["name"] == name for each in operation.get("parameters", ()))


def _complete(operation: Node, method: str, *, is_public: bool) -> None:
    """Add the summary, and the problems that any call of this form may end with."""
    if description := operation.get("description"):
        operation["summary"] = cleandoc(description).split("\n", 1)[0].rstrip(".")
    if is_public and operation.get("security") in (None, [{}]):
        operation["security"] = []
    responses = operation["responses"]
    for status in _statuses(operation, method, is_public=is_public):
        # What the framework says of 400 is its own form of errors, which is never sent.
        if status == 400 or str(status) not in responses:
            responses[str(status)] = {"content": {MEDIA_TYPE: {}}}
    for response in responses.values():
        for content in response.get("content", {}).values():
            if content.get("schema") == {}:  # a stream: the framework knows nothing of it
                content["schema"] = {"type": "string", "format": "binary"}
    operation["responses"] = dict(sorted(responses.items()))
    for each in operation.get("parameters", ()):
        _tidy_parameter(each)


def _statuses(operation: Node, method: str, *, is_public: bool) -> set[int]:
    statuses = {400, 500, 503}
    if not is_public:
        statuses |= {401, 403}
    elif method != "get":
        statuses |= {401, 403, 429}  # it takes a proof of its own, and not from pages of others
    if operation.get("parameters"):
        statuses.add(404)  # of what the path names, or a filter
    if "requestBody" in operation:
        statuses |= {404, 413, 415}
    if method in ("post", "put", "patch", "delete"):
        statuses.add(409)
    if _has_parameter(operation, "If-Match"):
        statuses.add(412)
    return statuses


def _add_headers(operation: Node, *, has_etag: bool) -> None:
    for status, response in operation["responses"].items():
        if not status.startswith("2"):
            continue
        headers = response.setdefault("headers", {})
        if has_etag:
            headers.setdefault("ETag", {"$ref": "#/components/headers/ETag"})
        if status == "201":
            headers.setdefault("Location", {"$ref": "#/components/headers/Location"})
        if not headers:
            del response["headers"]


def _refer_to_problems(responses: Node) -> set[int]:
    """Let problem documents be named, not repeated; return their statuses."""
    used = {
        int(status)
        for status, response in responses.items()
        if status.isdigit()
        and int(status) in _PROBLEMS
        and MEDIA_TYPE in response.get("content", {})
    }
    for status in used:
        responses[str(status)] = {"$ref": f"#/components/responses/{_PROBLEMS[status][0]}"}
    return used


def _problem(status: int) -> Node:
    _, code, meaning = _PROBLEMS[status]
    example = {
        "type": f"urn:thinkwatch:problem:{code}",
        "title": TITLES.get(status, "Error"),
        "status": status,
        "detail": meaning,
        "request_id": "019a2b7c-4d5e-7f00-8a1b-2c3d4e5f6071",
        "errors": [{"field": "limit", "message": meaning}] if status == 400 else [],
    }
    content: Node = {"schema": {"$ref": "#/components/schemas/Problem"}, "example": example}
    described: Node = {"description": meaning, "content": {MEDIA_TYPE: content}}
    if status == 429:
        described["headers"] = {"Retry-After": {"$ref": "#/components/headers/RetryAfter"}}
    return described


_IDEMPOTENCY_KEY: Node = {
    "name": HEADER,
    "in": "header",
    "required": False,
    "schema": {"type": "string", "minLength": 1, "maxLength": 255},
    "description": (
        "With the same key and content, a request is carried out once within 24 hours; later ones "
        "get its answer with `Idempotency-Replayed: true` and null for what is told once, or 409 "
        "while it runs. 409 also when the content is another. Not looked at in a dry run."
    ),
}
_HEADERS: Node = {
    "ETag": {"description": "The version that was sent.", "schema": {"type": "string"}},
    "Location": {"description": "Path of what was created.", "schema": {"type": "string"}},
    "RetryAfter": {"description": "Seconds to wait.", "schema": {"type": "integer"}},
}


def _tidy_parameter(parameter: Node) -> None:
    """A query or a header cannot be null, only absent; say what is said once, and no defaults."""
    for name in ("deprecated", "allowEmptyValue", "allowReserved"):
        if parameter.get(name) is False:
            del parameter[name]
    schema: Node = parameter.get("schema", {})
    kinds: list[Node] = schema.get("oneOf", [])
    if {"type": "null"} in kinds:
        kinds = [kind for kind in kinds if kind != {"type": "null"}]
        del schema["oneOf"]
        schema.update(kinds[0] if len(kinds) == 1 else {"oneOf": kinds})
    if schema.get("description") == parameter.get("description"):
        schema.pop("description", None)
    _bound_integers(schema)


def _bound_integers(schema: Node) -> None:
    """Integers are 64 bits wide at most, as in every store behind them."""
    if schema.get("type") == "integer":
        schema.setdefault("format", "int64")
    inner: list[Node] = [*schema.get("oneOf", ()), *filter(None, [schema.get("items")])]
    for each in inner:
        _bound_integers(each)


def _tidy(node: object) -> None:
    """Take the indentation of the source out of descriptions, and default members that say nothing."""
    if isinstance(node, list):
        for each in cast("list[object]", node):
            _tidy(each)
    elif isinstance(node, dict):
        members = cast("dict[str, object]", node)
        description = members.get("description")
        if isinstance(description, str):
            members["description"] = cleandoc(description)
        if members.get("deprecated") is False:
            del members["deprecated"]
        for each in members.values():
            _tidy(each)

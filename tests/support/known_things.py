"""What a console has to be addressed: values for the parameters of its paths."""

import re

import httpx

from tests.support.described_api import operations

Known = dict[str, dict[str, str]]
"""Values of path parameters, by path and name."""

_FALL_BACK = {"name": "demo"}


def known_things(url: str, token: str) -> Known:
    """Return values of things that are there, by path and parameter.

    `/api/things/{thing_id}` and all below it take the first thing that `/api/things` lists.
    """
    headers = {"authorization": f"Bearer {token}"}
    known: Known = {}
    with httpx.Client(base_url=url, headers=headers, timeout=30) as http:
        for path in {each.path for each in operations()}:
            values: dict[str, str] = {}
            for parameter in re.finditer(r"\{(\w+)\}", path):
                collection, name = path[: parameter.start()].rstrip("/"), parameter[1]
                value = _first(http, collection.format(**values), name) or _FALL_BACK.get(name)
                if value is None:
                    break
                values[name] = value
            known[path] = values
    return known


def _first(http: httpx.Client, collection: str, name: str) -> str | None:
    answer = http.get(collection)
    if answer.status_code != 200:
        return None
    items: list[dict[str, object]] = answer.json().get("items", [])
    for member in (name, "id", "name"):
        for item in items:
            if isinstance(item.get(member), str):
                return str(item[member])
    return None

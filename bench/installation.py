"""The installation that is measured: the fake upstream with a priced model, and a limited user."""

import json

from bench.scenarios import MODEL
from tests.support.program import Program

OWNER = "bench@example.com"
NEVER_REACHED = 10**12


def configure(installation: Program, upstream_port: int) -> str:
    """Add the fake upstream with a priced model, and a user with limits; return a key of his."""
    document = {
        "version": 1,
        "providers": [
            {
                "name": "bench",
                "kind": "openai_compatible",
                "base_url": f"http://127.0.0.1:{upstream_port}/v1",
                "credentials": {"api_key": "sk-bench"},
            }
        ],
        "models": [
            {
                "name": MODEL,
                "price": {"input": 2.5, "cache_read": 1.25, "output": 10.0},
                "routes": [{"provider": "bench", "upstream_model": "bench-upstream"}],
            }
        ],
        "users": [{"email": OWNER, "role": "developer"}],
        "keys": [{"name": "bench", "owner": OWNER, "surfaces": ["ai_gateway"]}],
        "limits": [
            {
                "subject": subject,
                "surface": "ai_gateway",
                "metric": metric,
                "window": "1m",
                "limit": NEVER_REACHED,
            }
            for subject in (f"user:{OWNER}", "provider:bench")
            for metric in ("requests", "tokens")
        ],
        "budgets": [
            {
                "subject": f"user:{OWNER}",
                "period": "monthly",
                "unit": "weighted_tokens",
                "limit": NEVER_REACHED,
            }
        ],
    }
    path = installation.directory / "bench.json"
    path.write_text(json.dumps(document))
    finished = installation.run("apply", "-f", str(path), "--json")
    if finished.code != 0:
        raise RuntimeError(f"apply failed: {finished.err}")
    (key,) = finished.json()["secrets"]
    return str(key["secret"])

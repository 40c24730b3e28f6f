"""`thinkwatch limits` against a running installation."""

from tests.support.installation import MODEL, Installation

SUBJECT = "team:limits-command"


def test_limits_are_set_listed_explained_and_reset(installation: Installation) -> None:
    installation.apply({"teams": [{"name": "limits-command"}]})
    run = installation.program.run
    rule = ("limits", "set", SUBJECT, "--metric", "requests", "--window", "1h", "--limit")
    made = run(*rule, "5")
    assert (made.code, made.err) == (0, "")
    assert made.out.startswith("created")
    assert run(*rule, "7").out.startswith("updated")
    budget = run(
        "limits",
        "set",
        SUBJECT,
        "--period",
        "monthly",
        "--unit",
        "usd",
        "--limit",
        "12.50",
        "--json",
    )
    assert (budget.json()["limit"], budget.json()["subject"]) == (12.5, SUBJECT)
    listed = run("limits", "list", "--subject", SUBJECT, "--json").json()
    assert [each["limit"] for each in listed["limits"]] == [7]
    assert [each["period"] for each in listed["budgets"]] == ["monthly"]
    explained = run("limits", "explain", "--user", "admin@thinkwatch.local", "--model", MODEL)
    assert (explained.code, explained.out.splitlines()[-1]) == (0, "admitted")
    reset = run("limits", "reset", SUBJECT, "--dry-run")
    assert (reset.code, reset.out.splitlines()[-1]) == (0, "2 counters left as they are")
    assert run("limits", "reset", SUBJECT).out.splitlines()[-1] == "2 counters reset"


def test_what_is_refused_is_one_line(installation: Installation) -> None:
    run = installation.program.run
    refused = run(
        "limits", "set", "user:nobody@example.com", "--metric", "concurrency", "--limit", "1"
    )
    assert refused.code == 1
    assert refused.err.count("\n") == 1
    assert "there is no 'nobody@example.com' among the users" in refused.err.lower()
    assert run("limits", "set", SUBJECT, "--limit", "1").code == 2
    assert run("limits", "reset").code == 2

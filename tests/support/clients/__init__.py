"""Official Python clients, each taking the tour of `tests.support.model.tour` with its own parser."""

"""`thinkwatch worker`."""

from entrypoints.cli.serve import role_command
from entrypoints.roles import Role

command = role_command(Role.WORKER, "Run the jobs and sinks on external stores; safe to run many.")

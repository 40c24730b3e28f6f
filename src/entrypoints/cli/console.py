"""`thinkwatch console`."""

from entrypoints.cli.serve import role_command
from entrypoints.roles import Role

command = role_command(Role.CONSOLE, "Run the console (port 3001) on external stores.")

"""`thinkwatch gateway`."""

from entrypoints.cli.serve import role_command
from entrypoints.roles import Role

command = role_command(Role.GATEWAY, "Run gateway processes (port 3000) on external stores.")

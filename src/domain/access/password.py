"""Rules for passwords of local accounts (console.md section 2)."""

SHORTEST = 8
LONGEST = 128


def password_faults(password: str) -> list[str]:
    """Return what is wrong with a new password, one clause per fault; empty when it is fine."""
    faults: list[str] = []
    if len(password) < SHORTEST:
        faults.append(f"must have at least {SHORTEST} characters")
    if len(password) > LONGEST:
        faults.append(f"must have at most {LONGEST} characters")
    if not any(character.isupper() for character in password):
        faults.append("must contain an upper-case letter")
    if not any(character.islower() for character in password):
        faults.append("must contain a lower-case letter")
    if not any(character.isdigit() for character in password):
        faults.append("must contain a digit")
    return faults

"""The administrative audit trail: verification, export, copies (audit.md section 2)."""

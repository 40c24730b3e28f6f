"""PostgreSQL: tables, repositories, transactions, migrations."""

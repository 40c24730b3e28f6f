"""ClickHouse's errors in our terms."""

from clickhouse_connect.driver.exceptions import ClickHouseError, Error

from domain.errors import DomainError, InvalidRequest, ServiceUnavailable

# Codes (src/Common/ErrorCodes.cpp of ClickHouse) that the same rows will cause again, always:
# malformed text, a value of the wrong type or out of range, a violated table constraint.
ROW_FAULTS = frozenset(
    {
        6,  # CANNOT_PARSE_TEXT
        25,  # CANNOT_PARSE_ESCAPE_SEQUENCE
        26,  # CANNOT_PARSE_QUOTED_STRING
        27,  # CANNOT_PARSE_INPUT_ASSERTION_FAILED
        32,  # ATTEMPT_TO_READ_AFTER_EOF
        33,  # CANNOT_READ_ALL_DATA
        38,  # CANNOT_PARSE_DATE
        41,  # CANNOT_PARSE_DATETIME
        53,  # TYPE_MISMATCH
        69,  # ARGUMENT_OUT_OF_BOUND
        70,  # CANNOT_CONVERT_TYPE
        72,  # CANNOT_PARSE_NUMBER
        117,  # INCORRECT_DATA
        130,  # CANNOT_READ_ARRAY_FROM_TEXT
        131,  # TOO_LARGE_STRING_SIZE
        190,  # SIZES_OF_ARRAYS_DONT_MATCH
        321,  # VALUE_IS_OUT_OF_RANGE_OF_DATA_TYPE
        349,  # CANNOT_INSERT_NULL_IN_ORDINARY_COLUMN
        467,  # CANNOT_PARSE_BOOL
        469,  # VIOLATED_CONSTRAINT
    }
)


def translate(error: ClickHouseError) -> DomainError:
    """Return what the error means to a caller: bad rows, or try again later.

    Unknown errors count as passing: what is retried without need is late, what is given up is lost.
    """
    if isinstance(error, Error) and error.code in ROW_FAULTS:
        return InvalidRequest(f"refused by the log store ({error.name or error.code})")
    return ServiceUnavailable("The log store cannot be asked now.")

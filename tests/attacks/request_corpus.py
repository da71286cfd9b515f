"""Every case from the client's side."""

from tests.attacks import chunk_requests, framing_requests, head_requests, limit_requests, sequence_requests

REQUESTS = [
    *framing_requests.CASES,
    *chunk_requests.CASES,
    *head_requests.CASES,
    *sequence_requests.CASES,
    *limit_requests.CASES,
]

"""What an HTTP status and a provider's error text mean for the run: ask again, give up this request, or stop."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any

from polyjudge.errors import CallFailed
from polyjudge.llm.backends.endpoint import Endpoint
from polyjudge.llm.secrets import quotable

_FOR_NOW = frozenset({408, 409, 425, 429})
_OVERLOADED = frozenset({408, 429, 503, 504, 524, 529})
_FOR_GOOD = frozenset({501, 505})
_PARAMETERS = (
    "max_completion_tokens",
    "max_tokens",
    "temperature",
    "top_logprobs",
    "logprobs",
    "response_format",
    "json_schema",
    "output_config",
    "continue_final_message",
)
_REFUSED = re.compile(
    r"(?i)unsupported|not (?:be )?(?:supported|allowed|permitted|available|enabled)|does(?:n't| not) support|unknown|"
    r"unrecogni[sz]ed|unexpected|deprecated|extra inputs|invalid|too large|at most|less than|out of range"
)
_NEVER_SUPPORTED = re.compile(r"(?i)unsupported|not (?:supported|implemented)|does(?:n't| not) support")
_TOO_LONG = re.compile(
    r"(?i)context[ _-]?(?:length|size|window)|maximum context|(?:prompt|input|request) is too (?:long|large)|"
    r"too many (?:input )?tokens|exceeds the (?:maximum|limit|available)|exceed context limit"
)
_FILTERED = re.compile(r"(?i)content[ _-]?(?:filter|policy|management)|moderation|flagged|safety|responsible_ai")
_NO_MODEL = re.compile(r"(?i)model.{0,80}(?:not found|does not exist|not a valid|unknown|no such|not supported)")
_NO_KEY = re.compile(r"(?i)api[ _-]?key|credential|authenticat")
_NO_CREDIT = re.compile(r"(?i)credit balance|insufficient[ _](?:quota|balance|credit|funds)|billing|out of credits")
_BAD_VALUE = re.compile(r"(?i)too (?:large|high|small|low|big)|at (?:most|least)|(?:less|greater) than|out of range")
_LIMIT_FIELDS = ("max_tokens", "max_completion_tokens")
_NOT_BEGUN = re.compile(r"(?i)prefill|must end with a user message")
_NEVER_FITS = re.compile(r"(?i)request too large")


@dataclass(frozen=True, slots=True)
class Complaint:
    """What a provider says is wrong, in its words and codes; "" where it says nothing."""

    text: str = ""
    code: str = ""
    parameter: str = ""


def refusal(
    endpoint: Endpoint,
    status: int,
    complaint: Complaint,
    *,
    retry_after: float | None = None,
    answered: str = "",
) -> CallFailed:
    """The error for a response with this status; it quotes at most 300 characters of the provider's text."""
    reason = quotable(complaint.text, endpoint.secrets) or "no reason given"
    about = f"{complaint.code} {complaint.text}"
    where = f"{endpoint.address.identity} answered {answered or status}"
    no_credit = status == 402 or (status in (400, 403, 429) and _NO_CREDIT.search(about))
    if no_credit:
        return CallFailed(f"{where}: {reason}; the account has no credit left: top it up", retryable=False)
    if status == 429 and _NEVER_FITS.search(about):
        return CallFailed(
            f"{where}: {reason}; this request alone exceeds the rate limit", retryable=False, scope="request"
        )
    if status == 500 and _NEVER_SUPPORTED.search(about) and (parameter := _parameter(complaint)):
        # Some servers answer so where a parameter is unknown to them; another attempt would only bring the same.
        message = f"{where}: {reason}; the parameter {parameter!r} is refused"
        return CallFailed(message, retryable=False, parameter=parameter)
    if status in _FOR_NOW or (status >= 500 and status not in _FOR_GOOD):
        overloaded = status in _OVERLOADED
        return CallFailed(f"{where}: {reason}", retryable=True, retry_after=retry_after, overloaded=overloaded)
    if status in (400, 403, 413, 422):
        return _bad_request(endpoint, status, complaint, f"{where}: {reason}")
    return CallFailed(f"{where}: {reason}; {_remedy(endpoint, status)}", retryable=False)


def read_complaint(payload: object) -> Complaint:
    """The complaint in an error's JSON, in whichever of the usual shapes it comes."""
    if isinstance(payload, list) and payload:
        payload = payload[0]
    if not isinstance(payload, dict):
        return Complaint(payload if isinstance(payload, str) else "")
    error = payload.get("error", payload)
    if not isinstance(error, dict):
        return Complaint(error if isinstance(error, str) else json.dumps(error))
    text = error.get("message") or error.get("detail") or error.get("msg") or ""
    codes = [error.get("code"), error.get("type"), error.get("status")]
    parameter = error.get("param")
    return Complaint(
        text=text if isinstance(text, str) else json.dumps(text, ensure_ascii=False),
        code=" ".join(str(code) for code in codes if isinstance(code, str | int)),
        parameter=parameter if isinstance(parameter, str) else "",
    )


def error_in_reply(endpoint: Endpoint, document: Mapping[str, Any]) -> CallFailed | None:
    """The error that a body sent with status 200 holds in place of an answer; None when it holds none."""
    error = document.get("error")
    if not error and document.get("object") != "error":
        return None
    codes = [error.get("code")] if isinstance(error, dict) else []
    codes.append(document.get("code"))
    status = next((code for code in codes if isinstance(code, int) and 400 <= code < 600), 502)
    failure = refusal(endpoint, status, read_complaint(dict(document)), answered="with an error in place of a reply")
    failure.charged = failure.retryable  # an answer broken off upstream may be billed, a refused one is not
    return failure


def other_limit_field(failure: CallFailed, sent: str) -> str:
    """The other name of the field for the longest answer, if a failure refuses the name that was sent; else "".

    A failure that refuses the value as too large does not refuse the name.
    """
    if failure.parameter != sent or sent not in _LIMIT_FIELDS or _BAD_VALUE.search(str(failure)):
        return ""
    return next(name for name in _LIMIT_FIELDS if name != sent)


def read_retry_after(headers: Mapping[str, str], now: datetime) -> float | None:
    """Seconds to wait, from ``Retry-After`` (seconds or a date) or ``retry-after-ms``; None when unsaid or odd."""
    for name, unit in (("retry-after-ms", 0.001), ("Retry-After", 1.0)):
        try:
            seconds = float(headers[name]) * unit
        except (KeyError, ValueError):
            continue
        return max(seconds, 0.0) if math.isfinite(seconds) else None
    try:
        moment = parsedate_to_datetime(headers.get("Retry-After", ""))
        return max((moment - now).total_seconds(), 0.0)
    except (ValueError, TypeError, OverflowError):
        return None


def _bad_request(endpoint: Endpoint, status: int, complaint: Complaint, summary: str) -> CallFailed:
    """The error for a refusal that may concern this request only, a parameter of all, the key or the model."""
    about = f"{complaint.code} {complaint.text}"
    parameter = _parameter(complaint)
    if _TOO_LONG.search(about) and complaint.parameter not in _PARAMETERS:
        message = f"{summary}; the prompt and the longest answer together exceed the model's context"
        return CallFailed(message, retryable=False, scope="request")
    if parameter:
        message = f"{summary}; the parameter {parameter!r} is refused"
        return CallFailed(message, retryable=False, parameter=parameter)
    if _NOT_BEGUN.search(about):
        message = f"{summary}; it continues no begun reply: choose a scoring method that needs none, or another model"
        return CallFailed(message, retryable=False)
    if _FILTERED.search(about):
        return CallFailed(f"{summary}; the content filter refused the prompt", retryable=False, scope="request")
    if status == 403 or _NO_KEY.search(about):
        return CallFailed(f"{summary}; {_remedy(endpoint, 403)}", retryable=False)
    if _NO_MODEL.search(about):
        return CallFailed(f"{summary}; {_remedy(endpoint, 404)}", retryable=False)
    return CallFailed(summary, retryable=False, scope="request")


def _parameter(complaint: Complaint) -> str:
    """The refused parameter among those we send; "" when the complaint is of something else."""
    if complaint.parameter in _PARAMETERS:
        return complaint.parameter
    if not _REFUSED.search(f"{complaint.code} {complaint.text}"):
        return ""
    named = ((re.search(rf"\b{name}\b", complaint.text), name) for name in _PARAMETERS)
    return min(((match.start(), name) for match, name in named if match), default=(0, ""))[1]


def _remedy(endpoint: Endpoint, status: int) -> str:
    if status in (401, 403):
        state = "check" if endpoint.key is not None else "none was sent: set"
        return f"{state} the key in the environment variable {endpoint.key_variable!r}"
    if status in (404, 405):
        return f"check the model's name ({endpoint.model!r} was asked for) and the address, which often ends in '/v1'"
    if 300 <= status < 400:
        return "it redirects, which is not followed because a key may be sent; give the final address as --base-url"
    return "check the address"

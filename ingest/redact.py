"""Take secrets out of an event before anything touches the disk.

A secret value becomes ``redacted:<key id>:<fingerprint>``: HMAC-SHA256 under a key of this
installation, so that equal values still match without being known. What cannot be parsed cannot be
redacted: it is sealed (AES-256-GCM) under a key derived from the same one.

What is taken out: data and stringData of Secrets in every form (object, list, table, strategic merge,
merge and JSON patch, server-side apply, last-applied annotation, webhook patch annotations, error
messages that repeat the object), tokens of TokenRequest and TokenReview, credentials in a query string.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import hashlib
import hmac
import json
import os
import re
import secrets
from pathlib import Path
from typing import Any
from urllib.parse import unquote_plus

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from msgspec import Raw

from ingest.event import BODIES, Decoded, NotAnEvent, Quarantined, decode, encode
from lake.errors import AshiatoError

KEY_BYTES = 32
_SECRET_FIELDS = frozenset({"data", "stringdata"})
_FINGERPRINT = re.compile(r"redacted:[0-9a-f]{8}:[0-9a-f]{24}")
# Names of query parameters, lower case, without - _ and dots.
_CREDENTIAL_PARAMETERS = frozenset(
    "token accesstoken idtoken refreshtoken authtoken apitoken privatetoken sessiontoken bearertoken xauthtoken "
    "bearer jwt auth authorization password passwd passphrase pass pwd secret clientsecret apikey authkey credential "
    "credentials clientassertion sig signature xamzsignature xamzsecuritytoken xamzcredential xgoogsignature "
    "xgoogcredential".split()
)
# A parameter whose name has to do with credentials, is percent-encoded, or padded.
_MAYBE_CREDENTIAL = re.compile(
    r"(?:^|[&;])(?:[\w.-]*?(?:token|bearer|jwt|auth|pass|pwd|secret|apikey|api.key|cred|sig|client)|[^=&;%+\s]*+[%+\s])",
    re.IGNORECASE | re.ASCII,
).search
# Where an error message begins to repeat what was sent: field errors, JSON, the decoder's context (before
# v1.23), Go's way to print a map or struct, YAML's way to quote.
_REPEATS_OBJECT = re.compile(
    r"(?P<keep>(?:Invalid|Duplicate|Unsupported) value: )|error found in #|\{\s*\\*\"|map\[(?!string\])|\bSecret\{|cannot unmarshal !!"
)


class Redactor:
    """Replaces secret values by keyed fingerprints, and seals what cannot be parsed.

    ``key`` is 32 random bytes, the same for every sink and importer that writes into one lake:
    fingerprints of different keys do not match, and neither would the ids of redacted events.
    """

    def __init__(self, key: bytes) -> None:
        if len(key) != KEY_BYTES:
            raise AshiatoError("redaction-key-invalid", f"the redaction key has {len(key)} bytes, not {KEY_BYTES}")
        self._key = key
        self._mac_key = hmac.digest(key, b"ashiato redaction fingerprint v1", "sha256")
        self._seal = AESGCM(hmac.digest(key, b"ashiato quarantine seal v1", "sha256"))
        self.key_id = hmac.digest(key, b"ashiato key id v1", "sha256").hex()[:8]

    def __repr__(self) -> str:
        return f"Redactor(key_id={self.key_id!r})"

    def __reduce__(self) -> tuple[type[Redactor], tuple[bytes]]:
        # Import workers get the key over a pipe; ciphers do not travel.
        return (Redactor, (self._key,))

    def fingerprint(self, value: bytes) -> str:
        """The text that stands for *value*: equal for equal values under one key."""
        digest = hmac.digest(self._mac_key, value, hashlib.sha256).hex()[:24]
        return f"redacted:{self.key_id}:{digest}"

    def seal(self, payload: bytes) -> bytes:
        """Encrypt bytes that could not be parsed: 12 bytes nonce, then AES-256-GCM."""
        nonce = secrets.token_bytes(12)
        return nonce + self._seal.encrypt(nonce, payload, None)

    def unseal(self, sealed: bytes) -> bytes:
        """The bytes that were sealed; AshiatoError ``seal-broken`` with another key or altered bytes."""
        try:
            return self._seal.decrypt(sealed[:12], sealed[12:], None)
        except (InvalidTag, ValueError):
            raise AshiatoError(
                "seal-broken",
                "these bytes were sealed with another key, or altered since",
                "name the redaction key that the sink or importer used: --redaction-key FILE",
            ) from None

    def redact(self, raw: bytes, decoded: Decoded) -> bool:
        """Take the secrets out of *decoded* (in place); True when something changed.

        ``raw`` is the text it was decoded from: a cheap look at it spares most events the walk.
        """
        event = decoded.event
        changed = False
        uri = event.requestURI
        if uri is not None and "?" in uri:
            path, _, query = uri.partition("?")
            if _MAYBE_CREDENTIAL(query):
                clean = self._redact_query(query)
                if clean != query:
                    event.requestURI = f"{path}?{clean}"
                    changed = True
        reference = event.objectRef
        secret = token = False
        if reference is not None:
            resource = reference.resource
            secret = resource == "secrets"
            token = resource == "tokenreviews" or reference.subresource == "token"
        if not (secret or token):
            bodies = event.requestObject is not None or event.responseObject is not None or decoded.unparsed
            # A raw patch body may spell its words with escapes.
            escaped = event.verb == "patch" and event.requestObject and b"\\u00" in bytes(event.requestObject)
            if not bodies or not (escaped or b"Secret" in raw or b"TokenRe" in raw):
                return changed
        walker = _Walker(self, token)
        for name in ("requestObject", "responseObject"):
            body = getattr(event, name)
            if body is not None:
                clean_body = walker.body(bytes(body), secret)
                if clean_body is not None:
                    setattr(event, name, Raw(clean_body))
                    changed = True
        if secret and event.responseStatus is not None:
            # Messages may repeat the object.
            event.responseStatus = Raw(walker.body(bytes(event.responseStatus), True) or event.responseStatus)
        if event.annotations is not None and (secret or b"Secret" in bytes(event.annotations)):
            # Admission webhooks' patches are written here.
            annotations = msgspec.json.decode(event.annotations, type=dict[str, str])
            clean_annotations = {key: walker.annotation(value, secret) for key, value in annotations.items()}
            if clean_annotations != annotations:
                event.annotations = Raw(msgspec.json.encode(clean_annotations))
        if decoded.unparsed:
            decoded.unparsed = self._redact_unparsed(decoded.unparsed, walker, secret)
        return changed or walker.changed

    def _redact_unparsed(self, unparsed: dict[str, Any], walker: _Walker, secret: bool) -> dict[str, Any]:
        clean: dict[str, Any] = {}
        for name, value in unparsed.items():
            if name == "":
                marks = dict(value)
                # The original text of a body that stands normalised in its column is too odd to redact
                # inside; the column keeps what it says. An odd unknown field stands nowhere else.
                texts = marks.pop("text", {})
                walker.changed = walker.changed or bool(texts)
                clean |= {
                    field: Raw(json.dumps(self.fingerprint(text.encode())).encode())
                    for field, text in texts.items()
                    if field not in BODIES
                }
                if marks:
                    clean[name] = marks
            elif isinstance(value, Raw):
                clean[name] = Raw(walker.body(bytes(value), secret) or bytes(value))
            elif isinstance(value, dict):
                clean[name] = {
                    k: Raw(walker.body(bytes(v), secret) or bytes(v)) if isinstance(v, Raw) else v
                    for k, v in value.items()
                }
            else:
                clean[name] = value
        return clean

    def _redact_query(self, query: str) -> str:
        parts = re.split("([&;])", query)
        for index in range(0, len(parts), 2):
            name, equals, value = parts[index].partition("=")
            plain_name = re.sub(r"[-_.\s]", "", unquote_plus(name)).lower()
            if equals and value and plain_name in _CREDENTIAL_PARAMETERS and not _FINGERPRINT.fullmatch(value):
                parts[index] = f"{name}={self.fingerprint(unquote_plus(value).encode('utf-8', 'replace'))}"
        return "".join(parts)


class _Walker:
    """Walks JSON values of one event; ``changed`` tells whether it replaced anything."""

    def __init__(self, redactor: Redactor, token: bool) -> None:
        self._redactor = redactor
        self._token = token
        self.changed = False

    def body(self, text: bytes, secret: bool) -> bytes | None:
        """The redacted JSON text, or None when nothing in it was secret."""
        before, self.changed = self.changed, False
        try:
            value = self._walk(_parse(text), secret)
            clean = msgspec.json.encode(value) if self.changed else None
        except (ValueError, RecursionError, OverflowError):
            # Not to be read is not to be redacted either.
            self.changed = True
            clean = json.dumps(self._redactor.fingerprint(text)).encode()
        self.changed = self.changed or before
        return clean

    def text(self, value: str) -> str:
        """Error messages of the API server may repeat the whole object: cut it there."""
        found = _REPEATS_OBJECT.search(value)
        if not found:
            return value
        at = found.end() if found["keep"] else found.start()
        if _FINGERPRINT.fullmatch(value, at):
            return value
        self.changed = True
        return value[:at] + self._redactor.fingerprint(value[at:].encode("utf-8", "replace"))

    def annotation(self, value: str, secret: bool) -> str:
        """An annotation whose value is JSON may carry a Secret or a patch of one."""
        if value.lstrip()[:1] in ("{", "["):
            clean = self.body(value.encode("utf-8", "replace"), secret)
            return value if clean is None else clean.decode()
        return self.text(value) if secret else value

    def _walk(self, value: Any, secret: bool) -> Any:
        if isinstance(value, dict):
            return self._walk_object(value, secret)
        if isinstance(value, list):
            return [self._walk(item, secret) for item in value]
        if isinstance(value, str) and secret:
            return self.text(value)
        return value

    def _walk_object(self, value: dict[str, Any], secret: bool) -> dict[str, Any]:
        kind = value.get("kind")
        secret = secret or kind in ("Secret", "SecretList")
        if secret and isinstance(value.get("path"), str) and "value" in value:
            return self._walk_patch_operation(value)
        token = self._token or kind in ("TokenRequest", "TokenReview")
        clean: dict[str, Any] = {}
        for key, item in value.items():
            if secret and key.lower() in _SECRET_FIELDS:
                clean[key] = self._hide(item, is_base64=key == "data")
            elif token and key in ("spec", "status") and isinstance(item, dict) and item.get("token"):
                clean[key] = {**self._walk_object(item, secret), "token": self._hide(item["token"])}
            elif key.endswith("last-applied-configuration") and isinstance(item, str):
                clean[key] = self._last_applied(item, secret)
            else:
                clean[key] = self._walk(item, secret)
        return clean

    def _walk_patch_operation(self, operation: dict[str, Any]) -> dict[str, Any]:
        """One operation of a JSON patch (RFC 6902) of a Secret."""
        value = operation["value"]
        names = [name.replace("~1", "/").replace("~0", "~") for name in operation["path"].split("/")[1:]]
        secret_names = [name for name in names if name.lower() in _SECRET_FIELDS]
        if secret_names:
            clean = self._hide(value, is_base64=secret_names[0] == "data")
        elif names and names[-1].endswith("last-applied-configuration") and isinstance(value, str):
            clean = self._last_applied(value, True)
        else:
            clean = self._walk(value, True)
        return {key: clean if key == "value" else self._walk(item, True) for key, item in operation.items()}

    def _last_applied(self, text: str, secret: bool) -> str:
        clean = self.body(text.encode("utf-8", "replace"), secret)
        return text if clean is None else clean.decode()

    def _hide(self, value: Any, is_base64: bool = False) -> Any:
        """A fingerprint for every value; keys stay. ``data`` says in base64 what stringData says plainly."""
        if isinstance(value, dict):
            return {key: self._hide(item, is_base64) for key, item in value.items()}
        if value is None:
            return None
        if isinstance(value, str):
            if _FINGERPRINT.fullmatch(value):
                return value
            plain = value.encode("utf-8", "replace")
            if is_base64:
                with contextlib.suppress(binascii.Error, ValueError):
                    plain = base64.b64decode(re.sub(rb"[\r\n]", b"", plain), validate=True)
        else:
            plain = msgspec.json.encode(value)
        self.changed = True
        return self._redactor.fingerprint(plain)


def _parse(text: bytes) -> Any:
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return json.loads(text)


def accept(raw: bytes, redactor: Redactor) -> bytes | Quarantined:
    """Validate and redact one event: the JSON text that may be made durable, or why it is no event."""
    try:
        decoded = decode(raw)
    except NotAnEvent as error:
        return Quarantined(error.code, error.reason, raw)
    return encode(decoded) if redactor.redact(raw, decoded) else raw


def load_redactor(key_file: Path | None = None) -> Redactor:
    """The redactor of this installation; its key file is made (mode 0600) on first use.

    Default place: ``$ASHIATO_REDACTION_KEY``, else ``$XDG_STATE_HOME/ashiato/redaction.key``
    (``~/.local/state``). Sinks and importers of one lake must share it.
    """
    path = key_file or Path(os.environ.get("ASHIATO_REDACTION_KEY") or _default_key_file())
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not path.exists():
            _make_key(path)
        if path.stat().st_mode & 0o077:
            raise AshiatoError(
                "redaction-key-readable",
                f"{path} can be read by others than its owner",
                f"chmod 600 {path}",
            )
        return Redactor(bytes.fromhex(path.read_text().strip()))
    except OSError as error:
        raise AshiatoError(
            "redaction-key-unreadable",
            f"cannot read or make the redaction key {path}: {error.strerror}",
            "name another place: --redaction-key FILE or ASHIATO_REDACTION_KEY",
        ) from None
    except ValueError:
        raise AshiatoError(
            "redaction-key-invalid",
            f"{path} does not hold 64 hexadecimal digits",
            "restore it from a copy; a new key gives new fingerprints",
        ) from None


def _make_key(path: Path) -> None:
    """Write a new key, whole or not at all: somebody else may be starting at the same moment."""
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(secrets.token_hex(KEY_BYTES).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(fresh, path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    finally:
        fresh.unlink(missing_ok=True)


def _default_key_file() -> Path:
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(state) / "ashiato" / "redaction.key"

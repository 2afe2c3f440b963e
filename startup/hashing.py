"""SHA-256 from Python itself: hashlib would load OpenSSL for it, which takes longer than to hash a thousand files."""

try:
    from _sha2 import sha256
except ModuleNotFoundError:  # before Python 3.12
    try:
        from _sha256 import sha256
    except ModuleNotFoundError:  # a Python that was built without
        from hashlib import sha256

__all__ = ["sha256"]

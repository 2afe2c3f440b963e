"""The company's logo: whatever was uploaded is decoded and written anew as PNG, so that nothing else of it is kept."""

import struct
from io import BytesIO

from PIL import Image, ImageOps

# What the upload may be, and what is kept of it: as much as a page or an invoice can show sharply.
LARGEST_UPLOAD = 2 * 1024 * 1024
LONGEST_EDGE = 4000
KEPT_SIZE = (800, 400)
FORMATS = ("PNG", "JPEG", "GIF", "WEBP")

# Pillow's many decoders know no error of their own for bytes that are not what they seem.
DECODING_ERRORS = (
    OSError, ValueError, TypeError, SyntaxError, EOFError, LookupError, ArithmeticError, AttributeError, MemoryError,
    struct.error, Image.DecompressionBombError, Image.DecompressionBombWarning,
)  # fmt: skip


class LogoError(ValueError):
    """The upload cannot be a logo; the text is a sentence for whoever sent it."""


def read(upload: bytes) -> bytes:
    """Return the logo in an uploaded PNG, JPEG, GIF (its first frame) or WebP as one that is safe to show.

    That is a PNG without metadata. Raises LogoError for anything else than these.
    The header is read first: an image that would unpack to more than LONGEST_EDGE pixels a side is never decoded.
    """
    if not upload:
        raise LogoError("The file is empty.")
    if len(upload) > LARGEST_UPLOAD:
        raise LogoError("The file is larger than 2 MB. Save the logo smaller, or as PNG.")
    try:
        with Image.open(BytesIO(upload), formats=FORMATS) as image:
            if max(image.size) > LONGEST_EDGE:
                raise LogoError(_too_large(*image.size))
            return _encode(image)
    except LogoError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise LogoError(_too_large()) from None
    except DECODING_ERRORS:
        raise LogoError("This is no image that can be read. Expected PNG, JPEG, GIF or WebP (not SVG).") from None


def _encode(image: Image.Image) -> bytes:
    image.seek(0)
    upright = ImageOps.exif_transpose(image).convert("RGBA")
    upright.thumbnail(KEPT_SIZE)
    bare = Image.new("RGBA", upright.size)  # without EXIF, comments and colour profiles, which are in `info`
    bare.paste(upright)
    output = BytesIO()
    bare.save(output, "PNG", optimize=True)
    return output.getvalue()


def _too_large(*size: int) -> str:
    found = "{} by {}".format(*size) if size else "far more"
    return f"The image has {found} pixels; at most {LONGEST_EDGE} by {LONGEST_EDGE} are taken."

"""The company's logo: what is taken, what is refused, and how it is shown."""

import io
import random
import re

import pytest
from PIL import Image
from werkzeug.datastructures import FileStorage
from werkzeug.test import encode_multipart

from app import logo

pytestmark = pytest.mark.only_pg("pg18")

SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'


def image(kind: str = "PNG", size: tuple[int, int] = (60, 30), mode: str = "RGB", color="red", **options) -> bytes:
    output = io.BytesIO()
    Image.new(mode, size, color).save(output, kind, **options)
    return output.getvalue()


def opened(png: bytes) -> Image.Image:
    read = Image.open(io.BytesIO(png))
    read.load()
    return read


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "WEBP"])
def test_images_of_all_kinds_become_png(kind):
    png = logo.read(image(kind))
    assert png.startswith(b"\x89PNG")
    assert (opened(png).format, opened(png).size) == ("PNG", (60, 30))


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_images_of_all_colours_are_taken(mode):
    assert opened(logo.read(image(mode=mode, color=0))).width == 60


def test_a_jpeg_for_printers_is_taken():
    assert opened(logo.read(image("JPEG", mode="CMYK", color=0))).width == 60


def test_a_transparent_ground_stays():
    assert opened(logo.read(image(mode="RGBA", color=(255, 0, 0, 0)))).getpixel((0, 0))[3] == 0


def test_nothing_that_the_file_says_of_camera_and_place_is_kept():
    exif = Image.Exif()
    exif[0x010F], exif[0x0112] = "a secret camera", 6
    photo = image("JPEG", exif=exif, comment=b"a secret comment")
    assert b"a secret camera" in photo and b"a secret comment" in photo
    png = logo.read(photo)
    assert b"secret" not in png and not opened(png).info
    assert opened(png).size == (30, 60), "but it stands upright"


def test_of_an_animation_the_first_picture_is_taken():
    frames = [Image.new("RGB", (20, 20), color) for color in ("red", "blue")]
    output = io.BytesIO()
    frames[0].save(output, "GIF", save_all=True, append_images=frames[1:])
    read = opened(logo.read(output.getvalue()))
    assert getattr(read, "n_frames", 1) == 1
    assert read.getpixel((5, 5))[:3] == (255, 0, 0)


def test_a_large_one_is_drawn_smaller():
    assert opened(logo.read(image(size=(4000, 4000)))).size == (400, 400)


@pytest.mark.parametrize(
    ("upload", "sentence"),
    [
        (b"", "empty"),
        (SVG, "not SVG"),
        (b"hello", "no image"),
        (b"%PDF-1.4", "no image"),
        (image("BMP"), "no image"),
        (image("TIFF"), "no image"),
        (image()[:-30], "no image"),
        (b"\x89PNG\r\n\x1a\n" + b"\0" * 100, "no image"),
        (image(size=(4001, 10)), "4001 by 10 pixels"),
        (image("GIF", size=(20_000, 20_000), mode="P", color=0), "pixels"),
        (b"\0" * (2 * 1024 * 1024 + 1), "2 MB"),
    ],
    ids=["nothing", "svg", "text", "pdf", "bmp", "tiff", "cut", "header", "wide", "bomb", "heavy"],
)
def test_anything_else_is_refused_with_a_sentence(upload, sentence):
    with pytest.raises(logo.LogoError, match=sentence):
        logo.read(upload)


def test_damaged_images_are_refused_or_taken_but_never_break_anything():
    draw = random.Random(7)
    for kind in ("PNG", "JPEG", "GIF", "WEBP"):
        whole = image(kind)
        for _ in range(150):
            damaged = bytearray(whole)
            for _ in range(draw.randrange(1, 6)):
                damaged[draw.randrange(len(damaged))] = draw.randrange(256)
            try:
                logo.read(bytes(damaged[: draw.randrange(10, len(damaged) + 1)]))
            except logo.LogoError as error:
                assert str(error)


# --- On the page ---


def upload(browser, data: bytes, filename: str = "our-logo.png"):
    """Send the form as a browser does; the test client itself would leave a temporary file open for a large one."""
    token = re.search(r'name="csrf_token" value="([^"]+)"', browser.get("/profile").text)[1]
    boundary, body = encode_multipart(
        {"csrf_token": token, "company_logo_filename": FileStorage(io.BytesIO(data), filename)}
    )
    return browser.post("/settings/logo", data=body, content_type=f"multipart/form-data; boundary={boundary}")


def kept(migrated) -> Image.Image:
    [(png,)] = migrated.query("SELECT png FROM company_logo")
    return opened(bytes(png))


def test_a_logo_that_is_uploaded_heads_every_page_and_can_be_removed(as_user, client, migrated):
    carol = as_user("carol")
    migrated.execute("UPDATE settings SET company_name = 'Acme & Sons'")
    answer = upload(carol, image())
    assert answer.status_code == 303
    assert kept(migrated).size == (60, 30)
    assert migrated.query("SELECT company_logo_filename FROM settings") == [("our-logo.png",)]

    page = carol.get("/settings").text
    assert "our-logo.png" in page
    address = page.split('<img src="')[1].split('"')[0]
    assert address.startswith("/logo?v=")
    for browser in (carol, as_user("alice"), client):
        head = browser.get("/profile" if browser is not client else "/sign-in").text
        assert f'<img src="{address}" alt="Acme &amp; Sons">' in head

    answer = client.get(address)
    assert answer.mimetype == "image/png" and opened(answer.data).size == (60, 30)
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cache-Control"] == "private, max-age=31536000, immutable"
    again = client.get("/logo", headers={"If-None-Match": answer.headers["ETag"]})
    assert again.status_code == 304 and not again.data
    assert client.get("/logo").headers["Cache-Control"] == "private, no-cache"

    upload(carol, image(color="blue"), "/tmp/new\u202egnp.png")
    assert migrated.query("SELECT count(*), max(company_logo_filename) FROM company_logo, settings") == [
        (1, "newgnp.png")
    ]
    assert address not in carol.get("/settings").text, "a new logo has a new address"

    assert carol.submit("/settings/logo/remove").status_code == 303
    assert client.get("/logo").status_code == 404
    assert migrated.query("SELECT company_logo_filename FROM settings") == [("",)]
    assert "Acme &amp; Sons" in carol.get("/profile").text


def test_what_is_no_logo_is_refused_beside_the_field_and_the_old_one_stays(as_user, migrated):
    carol = as_user("carol")
    upload(carol, image())
    answer = upload(carol, SVG, "logo.svg")
    assert answer.status_code == 422
    assert "This is no image that can be read." in answer.text
    answer = carol.submit("/settings/logo", {}, content_type="multipart/form-data")
    assert answer.status_code == 422 and "Choose a file first." in answer.text
    answer = upload(carol, b"\0" * (2 * 1024 * 1024 + 1))
    assert answer.status_code == 422 and "larger than 2 MB" in answer.text
    assert kept(migrated).size == (60, 30)


def test_a_request_that_is_far_too_large_gives_a_page_that_says_so(as_user, read):
    answer = upload(as_user("carol"), b"\0" * (4 * 1024 * 1024))
    assert answer.status_code == 413
    assert "That is larger than anything that can be sent here. An image may have 2 MB." in read(answer.text)


def test_only_administrators_change_the_logo(as_user, migrated):
    alice = as_user("alice")
    assert upload(alice, image()).status_code == 403
    assert alice.submit("/settings/logo/remove").status_code == 403
    assert migrated.query("SELECT count(*) FROM company_logo") == [(0,)]

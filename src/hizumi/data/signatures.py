"""What kind of file some content is, by its first bytes, where it is none that is read: for a reason that helps."""

SIGNATURES: tuple[tuple[int, bytes, str], ...] = (
    (0, b"version https://git-lfs", "a pointer of Git LFS to a file that was not fetched (git lfs pull)"),
    (4, b"ftypavif", "an AVIF image"),
    (4, b"ftypheic", "a HEIC image"),
    (4, b"ftypheix", "a HEIC image"),
    (4, b"ftypmif1", "a HEIF image"),
    (4, b"ftypcrx", "a Canon raw image"),
    (4, b"ftyp", "a video"),
    (0, b"\x1aE\xdf\xa3", "a video"),
    (0, b"\0\0\0\x0cJXL ", "a JPEG XL image"),
    (0, b"\xff\x0a", "a JPEG XL image"),
    (0, b"\0\0\0\x0cjP  ", "a JPEG 2000 image"),
    (0, b"\xff\x4f\xff\x51", "a JPEG 2000 image"),
    (128, b"DICM", "a DICOM image"),
    (0, b"v/1\x01", "an OpenEXR image"),
    (0, b"8BPS", "a Photoshop image"),
    (0, b"#?RADIANCE", "a Radiance image"),
    (0, b"SIMPLE  =", "a FITS image"),
    (0, b"%PDF-", "a PDF document"),
    (0, b"<svg", "an SVG drawing"),
    (0, b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
    (0, b"PAR1", "a Parquet file"),
    (0, b"PK\x03\x04", "a zip archive, as spreadsheets (.xlsx) and .npz files are"),
    (0, b"\xd0\xcf\x11\xe0", "an old spreadsheet or document of Microsoft Office"),
    (0, b"BZh", "compressed by bzip2"),
    (0, b"\xfd7zXZ\0", "compressed by xz"),
    (0, b"\x28\xb5\x2f\xfd", "compressed by Zstandard"),
    (0, b"\x1f\x8b", "compressed by gzip"),
    (0, b"\x93NUMPY", "a NumPy array"),
)
"""Where such bytes stand, the bytes, and what a file with them is."""
LOOKED_AT = 256  # bytes


def kind_of_content(content: bytes) -> str | None:
    """What kind of file this is, such as "a HEIC image"; None for those not listed."""
    return next((kind for place, sign, kind in SIGNATURES if content[place:].startswith(sign)), None)

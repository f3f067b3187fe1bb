"""XMP packets, corrected as text, so that everything else in them stays as it was.

References
----------
Adobe, "XMP Specification Part 1"; Google, "Motion Photo format 1.0"; Android, "Ultra HDR image
format 1.1" (the container's directory, and the version that announces a gain map).
"""

import re

_PROMISES = (
    b"http://ns.adobe.com/hdr-gain-map/1.0/",
    b"http://ns.google.com/photos/1.0/container/",
    b"http://ns.apple.com/HDRGainMap/1.0/",
    b"http://ns.apple.com/pixeldatainfo/1.0/",
)
_CAMERA = b"http://ns.google.com/photos/1.0/camera/"
_MOTION = rb"(?:MotionPhoto|MicroVideo)\w*"
_TIFF, _EXIF = b"http://ns.adobe.com/tiff/1.0/", b"http://ns.adobe.com/exif/1.0/"


def made_true(xmp: bytes, width: int, height: int) -> bytes:
    """Say in a packet that the image is upright and how large it is, where it says so at all."""
    for space, name, value in (
        (_TIFF, b"Orientation", 1),
        (_TIFF, b"ImageWidth", width),
        (_TIFF, b"ImageLength", height),
        (_EXIF, b"PixelXDimension", width),
        (_EXIF, b"PixelYDimension", height),
    ):
        for prefix in _prefixes(xmp, space):
            full = re.escape(prefix + b":" + name)
            attribute = rb"(\s" + full + rb"""\s*=\s*["'])[^"']*"""
            element = rb"(<" + full + rb"\s*>)[^<]*"
            replacement = rb"\g<1>%d" % value
            xmp = re.sub(element, replacement, re.sub(attribute, replacement, xmp))
    return xmp


def without_promises(xmp: bytes) -> bytes:
    """Take out what announces gain maps, videos and further images in the same file."""
    for space in _PROMISES:
        for prefix in _prefixes(xmp, space):
            xmp = _without(xmp, re.escape(prefix), rb"[\w.-]+")
    for prefix in _prefixes(xmp, _CAMERA):
        xmp = _without(xmp, re.escape(prefix), _MOTION)
    return xmp


def with_length(xmp: bytes, semantic: str, length: int) -> bytes:
    """Correct the length in bytes that the container's directory gives for one of its items."""
    name = re.escape(semantic.encode())
    for prefix in _prefixes(xmp, b"http://ns.google.com/photos/1.0/container/item/"):
        item = re.escape(prefix)
        attribute = rb"(%s:Length\s*=\s*[\"'])\d+" % item
        element = rb"(<%s:Length\s*>)\s*\d+\s*" % item
        said = rb"%s:Semantic\s*(?:=\s*[\"']|>\s*)%s\b" % (item, name)

        def corrected(entry: re.Match[bytes]) -> bytes:
            text = entry[0]
            if re.search(said, text):  # noqa: B023
                for pattern in (attribute, element):  # noqa: B023
                    text = re.sub(pattern, rb"\g<1>%d" % length, text)
            return text

        xmp = re.sub(rb"<rdf:li\b.*?</rdf:li\s*>|<rdf:li\b[^>]*/>", corrected, xmp, flags=re.S)
    return xmp


def _prefixes(xmp: bytes, space: bytes) -> list[bytes]:
    """Return the prefixes by which a packet calls a name space."""
    return list(
        set(re.findall(rb"xmlns:([\w.-]+)\s*=\s*[\"']" + re.escape(space) + rb"[\"']", xmp))
    )


def _without(xmp: bytes, prefix: bytes, names: bytes) -> bytes:
    """Take out the attributes and elements of a name space that have certain names."""
    xmp = re.sub(rb"\s+%s:%s\s*=\s*(?:\"[^\"]*\"|'[^']*')" % (prefix, names), b"", xmp)
    xmp = re.sub(rb"<%s:%s\b[^<>]*/>" % (prefix, names), b"", xmp)
    return re.sub(rb"<(%s:%s)\b[^<>]*>.*?</\1\s*>" % (prefix, names), b"", xmp, flags=re.S)

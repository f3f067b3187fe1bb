"""Files of all kinds, made by other libraries than the package's own writers."""

import io
import struct
import zlib
from xml.etree import ElementTree

import numpy as np
from PIL import ExifTags, Image, ImageCms

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
XMP_LYING = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syn'
    b'tax-ns#"><rdf:Description rdf:about="" xmlns:tiff="http://ns.adobe.com/tiff/1.0/"'
    b' xmlns:exif="http://ns.adobe.com/exif/1.0/" tiff:Orientation="%d" tiff:ImageWidth="30"'
    b' xmlns:dc="http://purl.org/dc/elements/1.1/" dc:source="caf\xc3\xa9">'
    b"<exif:PixelXDimension>30</exif:PixelXDimension></rdf:Description></rdf:RDF></x:xmpmeta>"
)
XMP = XMP_LYING % 1
IPTC = b"\x1c\x02\x05\x00\x05Title\x1c\x02\x50\x00\x07Someone"
RESOURCES = b"8BIM\x04\x04\0\0" + struct.pack(">I", len(IPTC)) + IPTC + bytes(len(IPTC) % 2)
VIDEO = b"\0\0\0\x18ftypmp42\0\0\0\0isommp42" + b"\0\0\x01\x08mdat" + bytes(256)


def pixels(*shape: int, dtype: type = np.uint8, seed: int = 0) -> np.ndarray:
    """Smooth colours with a little grain, over the whole range of their type."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[0 : shape[0], 0 : shape[1]]
    planes = [
        0.5 + 0.4 * np.sin(rows / 9 + phase) * np.cos(columns / 11 - phase)
        for phase in range(shape[2] if len(shape) == 3 else 1)
    ]
    values = np.stack(planes, -1) + rng.normal(0, 0.01, (*shape[:2], len(planes)))
    values = values.clip(0, 1).reshape(shape)
    if np.dtype(dtype).kind == "f":
        return values.astype(dtype)
    return np.rint(values * np.iinfo(dtype).max).astype(dtype)


def exif(width: int, height: int, orientation: int = 1, thumbnail: bytes = b"") -> bytes:
    """An EXIF block with a maker's note, a place, dimensions and, if given, a thumbnail."""
    block = Image.Exif()
    block[ExifTags.Base.Make] = "ACME"
    block[ExifTags.Base.Orientation] = orientation
    inner = block.get_ifd(ExifTags.IFD.Exif)
    inner[ExifTags.Base.ISOSpeedRatings] = 400
    inner[ExifTags.Base.MakerNote] = b"ACME\0" + bytes(range(200))
    inner[ExifTags.Base.ExifImageWidth] = width
    inner[ExifTags.Base.ExifImageHeight] = height
    place = block.get_ifd(ExifTags.IFD.GPSInfo)
    place[ExifTags.GPS.GPSLatitudeRef] = "N"
    place[ExifTags.GPS.GPSLatitude] = (48.0, 8.0, 12.5)
    data = block.tobytes()[6:]
    if not thumbnail:
        return data
    order = "<" if data[:2] == b"II" else ">"
    (first,) = struct.unpack_from(order + "I", data, 4)
    (count,) = struct.unpack_from(order + "H", data, first)
    start = len(data)
    second = struct.pack(order + "H", 2)
    second += struct.pack(order + "HHII", 513, 4, 1, start + 2 + 24 + 4)
    second += struct.pack(order + "HHII", 514, 4, 1, len(thumbnail)) + bytes(4)
    data = bytearray(data + second + thumbnail)
    struct.pack_into(order + "I", data, first + 2 + 12 * count, start)
    return bytes(data)


def saved(array: np.ndarray, kind: str, **options: object) -> bytes:
    """A file by Pillow."""
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, kind, **options)
    return buffer.getvalue()


def jpeg(array: np.ndarray, *segments: tuple[int, bytes], **options: object) -> bytes:
    """A JPEG file by Pillow with segments of our own."""
    data = saved(array, "JPEG", **{"quality": 83, "subsampling": 2} | options)
    extra = b"".join(
        struct.pack(">BBH", 255, marker, len(content) + 2) + content for marker, content in segments
    )
    return data[:20] + extra + data[20:]


def ultra_hdr(array: np.ndarray, orientation: int = 1, video: bytes = VIDEO) -> bytes:
    """A JPEG file with a gain map and a video behind it, listed in XMP and in MPF."""
    gain = np.full((array.shape[0] // 2, array.shape[1] // 2), 40, np.uint8)
    gain[:4, :4] = 250
    space = b"http://ns.adobe.com/xap/1.0/\0"
    hdrgm = b'xmlns:hdrgm="http://ns.adobe.com/hdr-gain-map/1.0/" hdrgm:Version="1.0"'
    packet = (
        b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf'
        b'-syntax-ns#"><rdf:Description rdf:about="" %s/></rdf:RDF></x:xmpmeta>'
    )
    own = packet % (hdrgm + b' hdrgm:GainMapMax="2.0"')
    map_file = jpeg(gain, (0xE1, space + own), quality=90, subsampling=0)
    item = (
        b'<rdf:li rdf:parseType="Resource"><Container:Item Item:Semantic="%s" Item:Mime="%s"'
        b' Item:Length="%d"/></rdf:li>'
    )
    items = item % (b"Primary", b"image/jpeg", 0) + item % (
        b"GainMap",
        b"image/jpeg",
        len(map_file),
    )
    if video:
        items += item % (b"MotionPhoto", b"video/mp4", len(video))
    container = (
        b' xmlns:Container="http://ns.google.com/photos/1.0/container/"'
        b' xmlns:Item="http://ns.google.com/photos/1.0/container/item/"'
        b' xmlns:GCamera="http://ns.google.com/photos/1.0/camera/" GCamera:MotionPhoto="1"'
        b' GCamera:MicroVideoOffset="%d"' % len(video)
    )
    whole = (packet % (hdrgm + container)).replace(
        b"/></rdf:RDF>",
        b"><Container:Directory><rdf:Seq>" + items
        + b"</rdf:Seq></Container:Directory></rdf:Description></rdf:RDF>",
    )  # fmt: skip
    block = exif(array.shape[1], array.shape[0], orientation)
    segments = [(0xE1, b"Exif\0\0" + block), (0xE1, space + whole)]
    index = 4 + 4 + 8 + 2 + 36 + 4 + 32
    without = jpeg(array, *segments)
    size = len(without) + index
    start = 20 + 8
    tags = struct.pack("<HHHII", 3, 0xB000, 7, 4, 0x30303130)
    tags += struct.pack("<HHII", 0xB001, 4, 1, 2) + struct.pack("<HHII", 0xB002, 7, 32, 50)
    entries = struct.pack("<IIIHH", 0x030000, size, 0, 0, 0)
    entries += struct.pack("<IIIHH", 0, len(map_file), size - start, 0, 0)
    mpf = b"MPF\0II*\0\x08\0\0\0" + tags + bytes(4) + entries
    data = jpeg(array, (0xE2, mpf), *segments)
    assert len(data) == size
    return data + map_file + video


def item_lengths(packet: bytes) -> list[tuple[str, int]]:
    """What an XMP packet's directory lists: names and lengths, read as XML."""
    item = "{http://ns.google.com/photos/1.0/container/item/}"
    start = packet.index(b"<x:xmpmeta")
    tree = ElementTree.fromstring(packet[start : packet.index(b"</x:xmpmeta>") + 12])
    entries = [entry.attrib for entry in tree.iter() if f"{item}Semantic" in entry.attrib]
    return [(entry[f"{item}Semantic"], int(entry[f"{item}Length"])) for entry in entries]


def mpo(array: np.ndarray) -> bytes:
    """A file of two views."""
    buffer = io.BytesIO()
    other = [Image.fromarray(np.roll(array, 3, 1))]
    Image.fromarray(array).save(buffer, "MPO", save_all=True, append_images=other, quality=83)
    return buffer.getvalue()


def png_chunk(name: bytes, content: bytes) -> bytes:
    check = struct.pack(">I", zlib.crc32(name + content))
    return struct.pack(">I", len(content)) + name + content + check


def png(array: np.ndarray, *chunks: tuple[bytes, bytes]) -> bytes:
    """A PNG file of 8 or 16 bits and 1 to 4 channels, without filters, with chunks of our own."""
    values = np.atleast_3d(array)
    depth, colours = 8 * array.dtype.itemsize, {1: 0, 2: 4, 3: 2, 4: 6}[values.shape[2]]
    head = struct.pack(">IIBBBBB", array.shape[1], array.shape[0], depth, colours, 0, 0, 0)
    rows = values.astype(values.dtype.newbyteorder(">")).reshape(len(values), -1).view(np.uint8)
    lines = np.concatenate([np.zeros((len(rows), 1), np.uint8), rows], 1)
    data = b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", head)
    data += b"".join(png_chunk(*pair) for pair in chunks)
    return data + png_chunk(b"IDAT", zlib.compress(lines.tobytes())) + png_chunk(b"IEND", b"")


def tiff(array: np.ndarray, **options: object) -> bytes:
    """A TIFF file by tifffile."""
    import tifffile

    buffer = io.BytesIO()
    colours = array.ndim == 3 and array.shape[2] >= 3
    defaults = {"photometric": "rgb" if colours else "minisblack", "metadata": None}
    tifffile.imwrite(buffer, array, **defaults | {"software": False} | options)
    return buffer.getvalue()


def heic(array: np.ndarray, **options: object) -> bytes:
    """A HEIC file by pillow-heif, 8 or 10 bits."""
    import pillow_heif

    mode = {2: "L", 3: "RGB"}[array.ndim]
    mode = "RGBA" if array.ndim == 3 and array.shape[2] == 4 else mode
    mode += "" if array.dtype == np.uint8 else ";16"
    size = (array.shape[1], array.shape[0])
    buffer = io.BytesIO()
    file = pillow_heif.from_bytes(mode, size, np.ascontiguousarray(array).tobytes())
    file.save(buffer, **{"quality": 90, "chroma": 444} | options)
    return buffer.getvalue()


def heic_with_profile(array: np.ndarray, profile: bytes, **options: object) -> bytes:
    """A HEIC file with a colour profile."""
    import pillow_heif

    mode = "RGBA" if array.shape[2] == 4 else "RGB"
    mode += "" if array.dtype == np.uint8 else ";16"
    file = pillow_heif.from_bytes(mode, (array.shape[1], array.shape[0]), array.tobytes())
    file[0].info |= {"icc_profile": profile, "icc_profile_type": "prof"}
    buffer = io.BytesIO()
    file.save(buffer, **{"quality": 90, "chroma": 444} | options)
    return buffer.getvalue()


def deep_avif(array: np.ndarray, **options: object) -> bytes:
    """An AVIF file of 10 bits by imagecodecs."""
    import imagecodecs

    values = (array >> 6).astype(np.uint16)
    defaults = {"level": 90, "speed": 8, "bitspersample": 10, "pixelformat": "444"}
    return bytes(imagecodecs.avif_encode(values, **defaults | options))


def exr(channels: dict[str, np.ndarray], **header: object) -> bytes:
    """An OpenEXR file by its own library."""
    import OpenEXR

    buffer = io.BytesIO()
    made = {name: OpenEXR.Channel(np.ascontiguousarray(c)) for name, c in channels.items()}
    base = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
    OpenEXR.File(base | header, made).write(buffer)
    return buffer.getvalue()


def dng(mosaic: np.ndarray, orientation: int = 1) -> bytes:
    """A small DNG file: a 12-bit Bayer mosaic, the only kind of RAW file that can be made here."""
    matrix = [(9, 10), (0, 1), (0, 1), (0, 1), (1, 1), (0, 1), (0, 1), (0, 1), (9, 10)]
    tags = [
        (271, "s", 0, "ACME", True), (272, "s", 0, "X-100", True),
        (274, "H", 1, orientation, True), (33421, "H", 2, (2, 2), True),
        (33422, "B", 4, (0, 1, 1, 2), True), (50706, "B", 4, (1, 4, 0, 0), True),
        (50707, "B", 4, (1, 1, 0, 0), True), (50708, "s", 0, "ACME X-100", True),
        (50714, "H", 1, 0, True), (50717, "I", 1, 4095, True),
        (50721, "2i", 9, tuple(n for pair in matrix for n in pair), True),
        (50728, "2I", 3, (1, 2, 1, 1, 1, 2), True), (50778, "H", 1, 21, True),
    ]  # fmt: skip
    return tiff(mosaic, photometric=32803, extratags=tags)


def seeds() -> dict[str, bytes]:
    """One small file of each sort, by a name."""
    colours, grey = pixels(24, 30, 3), pixels(24, 30)
    deep, deep_grey = pixels(24, 30, 3, dtype=np.uint16), pixels(24, 30, dtype=np.uint16)
    floats = pixels(24, 30, 3, dtype=np.float32)
    alpha = np.dstack([colours, grey])
    small = saved(pixels(8, 10, 3), "JPEG", quality=40)
    block = exif(30, 24, 6, small)
    photo = [(0xE1, b"Exif\0\0" + block), (0xE1, b"http://ns.adobe.com/xap/1.0/\0" + XMP)]
    photo += [(0xE2, b"ICC_PROFILE\0\1\1" + SRGB), (0xED, b"Photoshop 3.0\0" + RESOURCES)]
    texts = [(b"tEXt", b"Title\0red ball"), (b"zTXt", b"Note\0\0" + zlib.compress(b"long"))]
    texts += [(b"gAMA", struct.pack(">I", 45455)), (b"eXIf", block)]
    profile = b"name\0\0" + zlib.compress(SRGB)
    pages = io.BytesIO()
    frames = [Image.fromarray(np.roll(colours, 3 * i, 1)) for i in range(3)]
    frames[0].save(pages, "GIF", save_all=True, append_images=frames[1:])
    animation = io.BytesIO()
    frames[0].save(animation, "WEBP", save_all=True, append_images=frames[1:])
    return {
        "jpeg": jpeg(colours, *photo, (0xFE, b"a comment")),
        "progressive.jpeg": saved(colours, "JPEG", progressive=True),
        "grey.jpeg": saved(grey, "JPEG"),
        "cmyk.jpeg": saved_as(colours, "CMYK", "JPEG"),
        "ultra_hdr.jpeg": ultra_hdr(colours),
        "mpo.jpeg": mpo(colours),
        "png": png(colours, *texts, (b"iCCP", profile)),
        "palette.png": saved_as(colours, "P", "PNG"),
        "deep.png": png(np.dstack([deep, deep_grey])),
        "deep_grey.png": png(deep_grey),
        "webp": saved(alpha, "WEBP", exif=block, xmp=XMP),
        "lossless.webp": saved(colours, "WEBP", lossless=True),
        "animation.webp": animation.getvalue(),
        "gif": pages.getvalue(),
        "bmp": saved(colours, "BMP"),
        "tiff": saved(colours, "TIFF", compression="tiff_lzw", dpi=(300, 300)),
        "jpeg.tiff": saved(colours, "TIFF", compression="jpeg"),
        "deep.tiff": tiff(deep, compression="lzw", predictor=2),
        "float.tiff": tiff(floats, compression="deflate", predictor=3),
        "heic": heic(colours, exif=b"Exif\0\0" + block, xmp=XMP),
        "deep.heic": heic(deep),
        "avif": saved(colours, "AVIF", exif=b"Exif\0\0" + block, xmp=XMP),
        "deep.avif": deep_avif(deep),
        "exr": exr({"RGB": floats, "Z": floats[..., 0]}),
        "half.exr": exr({"Y": floats[..., 0].astype(np.float16)}),
        "dng": dng(pixels(32, 48, dtype=np.uint16) >> 4),
    }


def saved_as(array: np.ndarray, mode: str, kind: str, **options: object) -> bytes:
    """A file by Pillow, of another mode than the array's."""
    buffer = io.BytesIO()
    Image.fromarray(array).convert(mode).save(buffer, kind, **options)
    return buffer.getvalue()

"""XMP packets are corrected and otherwise left alone."""

import made

from unshine.io import xmp


def test_only_what_is_no_longer_true_changes() -> None:
    packet = xmp.made_true(made.XMP_LYING % 6, 800, 600)
    assert b'tiff:Orientation="1"' in packet
    assert b'tiff:ImageWidth="800"' in packet
    assert b"<exif:PixelXDimension>800</exif:PixelXDimension>" in packet
    back = packet.replace(b'"800"', b'"30"').replace(b">800<", b">30<")
    assert back.replace(b'n="1"', b'n="6"') == made.XMP_LYING % 6


def test_prefixes_are_the_packet_s_own() -> None:
    packet = (
        b"<a xmlns:T='http://ns.adobe.com/tiff/1.0/' T:Orientation = '8' tiff:Orientation='8'/>"
    )
    corrected = xmp.made_true(packet, 1, 1)
    assert corrected == packet.replace(b"T:Orientation = '8'", b"T:Orientation = '1'")


def test_lengths_in_elements_and_attributes() -> None:
    attributes = made.ultra_hdr(made.pixels(16, 16, 3))
    start, end = attributes.index(b"<x:xmpmeta"), attributes.index(b"</x:xmpmeta>") + 12
    packet = attributes[start:end]
    assert made.item_lengths(xmp.with_length(packet, "GainMap", 77))[1] == ("GainMap", 77)
    elements = packet.replace(
        b'<Container:Item Item:Semantic="GainMap"',
        b"<Container:Item><Item:Semantic>GainMap</Item:Semantic><Item:Length>5</Item:Length>"
        b"</Container:Item><x",
    )
    assert b"<Item:Length>88<" in xmp.with_length(elements, "GainMap", 88)


def test_promises_go_and_the_rest_stays() -> None:
    data = made.ultra_hdr(made.pixels(16, 16, 3))
    start, end = data.index(b"<x:xmpmeta"), data.index(b"</x:xmpmeta>") + 12
    more = b'GCamera:Burst="7" dc:title="A"'
    packet = data[start:end].replace(b'rdf:about=""', b'rdf:about="" ' + more)
    left = xmp.without_promises(packet)
    assert left != packet
    assert xmp.without_promises(left) == left
    assert more in left
    assert b"Item:" not in left.replace(b"xmlns:Item", b"")
    assert xmp.without_promises(made.XMP) == made.XMP

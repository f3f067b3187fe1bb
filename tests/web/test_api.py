"""The HTTP API: what it answers, and what it refuses."""

import io
import json
import zipfile
from email import message_from_bytes

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from serving import file, image, pixels, slug
from starlette.testclient import TestClient

from unshine.web.app import Limits, create_app
from unshine.web.guards import HEADERS, is_loopback
from unshine.web.jobs import Threads
from unshine.web.problems import KINDS
from unshine.web.work import Worker

POSTS = ("remove", "decompose", "mask", "preview")


def test_a_form_and_a_bare_body_get_the_pixels_that_python_gets(client, remover):
    before = image()
    expected = remover.remove(before, 0.6)
    assert (expected != before).any()
    form = client.post(
        "/v1/remove", files={"file": ("a.png", file(before))}, data={"strength": 0.6}
    )
    bare = client.post("/v1/remove?strength=0.6", content=file(before))
    for response in (form, bare):
        assert response.status_code == 200
        assert response.headers["content-type"] == "image/png"
        assert np.array_equal(pixels(response.content), expected)
        share = float(response.headers["x-unshine-changed"])
        assert share == pytest.approx((expected != before).any(-1).mean(), abs=1e-6)
        for step in ("read", "analyse", "clean", "encode"):
            assert f"{step};dur=" in response.headers["server-timing"]


def test_an_image_in_which_nothing_changes_comes_back_byte_for_byte(client):
    body = file(np.full((40, 50, 3), 90, np.uint8), "JPEG", quality=71)
    response = client.post("/v1/remove", content=body)
    assert response.content == body
    assert float(response.headers["x-unshine-changed"]) == 0
    assert client.post("/v1/remove?strength=0", content=file(image())).content == file(image())


def test_the_format_is_the_images_own_unless_another_is_asked_for(client):
    body = file(image(), "WEBP", lossless=True)
    assert client.post("/v1/remove", content=body).headers["content-type"] == "image/webp"
    response = client.post("/v1/remove?format=jpeg&quality=80", content=body)
    assert response.headers["content-type"] == "image/jpeg"
    assert pixels(response.content).shape == (60, 90, 3)


def test_what_a_format_has_no_place_for_is_named(client):
    commented = file(image(), "JPEG", comment=b"by hand", quality=92)
    assert "x-unshine-lost" not in client.post("/v1/remove", content=commented).headers
    response = client.post("/v1/remove?format=webp", content=commented)
    assert response.headers["x-unshine-lost"] == "comment"


def test_a_white_mask_takes_and_a_black_one_protects(client):
    before = image()
    free = pixels(client.post("/v1/remove", content=file(before)).content)
    mask = np.full(before.shape[:2], 128, np.uint8)
    mask[:, :45] = 0
    files = {"file": file(before), "mask": file(mask)}
    protected = pixels(client.post("/v1/remove", files=files).content)
    assert np.array_equal(protected[:, :45], before[:, :45])
    assert np.array_equal(protected[:, 45:], free[:, 45:])
    assert (free[:, :45] != before[:, :45]).any()
    files["mask"] = file(np.full(before.shape[:2], 255, np.uint8))
    taken = pixels(client.post("/v1/remove", files=files).content)
    assert (taken != before).any(-1).sum() > (free != before).any(-1).sum()


def test_a_smaller_mask_of_the_same_proportions_is_enlarged(client):
    before = image(61, 91)
    whole = {"file": file(before), "mask": file(np.zeros((61, 91), np.uint8))}
    half = {"file": file(before), "mask": file(np.zeros((31, 46), np.uint8))}
    assert client.post("/v1/remove", files=half).content == file(before)
    assert client.post("/v1/remove", files=whole).content == file(before)
    wrong = {"file": file(before), "mask": file(np.zeros((46, 31), np.uint8))}
    assert slug(client.post("/v1/remove", files=wrong)) == "mask-mismatch"


def test_more_sensitivity_changes_more(client):
    before = image()

    def changed(sensitivity: float) -> float:
        response = client.post(f"/v1/remove?sensitivity={sensitivity}", content=file(before))
        return float(response.headers["x-unshine-changed"])

    shares = [changed(sensitivity) for sensitivity in (0, 0.3, 0.5, 0.7, 1)]
    assert shares == sorted(shares)
    assert shares[0] == 0 < shares[2] < shares[4]


def test_decompose_gives_the_layers_that_python_gives(client, remover):
    before = image()
    response = client.post("/v1/decompose?layers=diffuse,highlight", content=file(before))
    assert response.headers["content-type"] == "application/zip"
    archive = zipfile.ZipFile(io.BytesIO(response.content))
    assert archive.namelist() == ["diffuse.png", "highlight.png"]
    layers = remover.decompose(before)
    for name in ("diffuse", "highlight"):
        expected = np.rint(getattr(layers, name) * 255)
        assert np.array_equal(pixels(archive.read(f"{name}.png")), expected)


def test_decompose_gives_an_exr_of_linear_layers(client, remover, tmp_path):
    pytest.importorskip("OpenEXR", reason='pip install "unshine[formats]"')
    from unshine.io import layered

    response = client.post(
        "/v1/decompose?format=exr&layers=diffuse,specular", content=file(image())
    )
    assert response.headers["content-type"] == "image/x-exr"
    path = tmp_path / "layers.exr"
    path.write_bytes(response.content)
    found, layers = layered.read(path), remover.decompose(image())
    assert np.allclose(found["specular"], layers.specular, atol=1e-3)
    assert np.allclose(found["diffuse"], layers.diffuse**2.2, atol=1e-3)


def test_the_exclusion_mask_is_black_where_highlights_are(client):
    # Bold, so that it does not depend on how careful the weights are.
    asked = "/v1/mask?sensitivity=0.9"
    highlight = pixels(client.post(asked, content=file(image())).content)
    exclude = pixels(client.post(f"{asked}&style=exclude", content=file(image())).content)
    assert highlight.dtype == exclude.dtype == np.uint8
    assert set(np.unique(exclude)) == {0, 255}
    assert (exclude[highlight > 140] == 0).all()
    assert (exclude[highlight < 110] == 255).all()


def test_the_previews_planes_blend_to_the_result(client):
    """The page's own arithmetic, done here on the planes it gets."""
    before = image(80, 120)
    response = client.post("/v1/preview", content=file(before))
    parts = form_parts(response)
    info = json.loads(parts["info"])
    assert info["width"], info["height"] == (120, 80)
    table = np.frombuffer(parts["table"], np.uint8).reshape(info["table"][::-1])
    for percent in (20, 50, 90):
        highlight = table[percent][pixels(parts["logits"])][..., None] / 255
        start, end = (pixels(parts[name]) / 255 for name in ("before", "ungated"))
        light, rest = start**2.2, end**2.2
        blended = 255 * (light + highlight * (rest - light)) ** (1 / 2.2)
        url = f"/v1/remove?sensitivity={percent / 100}"
        expected = pixels(client.post(url, content=file(before)).content)
        assert np.abs(blended - expected).mean() < 1
        assert np.quantile(np.abs(blended - expected), 0.99) < 8


def test_a_preview_has_at_most_the_pixels_that_are_asked_for(client):
    response = client.post("/v1/preview?pixels=10000", content=file(image(150, 300)))
    parts = form_parts(response)
    assert json.loads(parts["info"])["width"] == 300
    height, width, _ = pixels(parts["before"]).shape
    assert 9000 < height * width <= 10_000
    assert pixels(parts["ungated"]).shape == (height, width, 3)


def test_transparency_and_depth_reach_the_preview(client):
    rgba = np.dstack([image(), np.full((60, 90), 77, np.uint8)])
    assert (pixels(form_parts(client.post("/v1/preview", content=file(rgba)))["alpha"]) == 77).all()
    deep = np.tile(np.linspace(0, 65535, 90).astype(np.uint16), (60, 1))
    parts = form_parts(client.post("/v1/preview", content=file(deep)))
    assert json.loads(parts["info"])["bits"] == 16
    assert pixels(parts["before"]).max() > 250


def form_parts(response):
    head = f"Content-Type: {response.headers['content-type']}\r\n\r\n".encode()
    message = message_from_bytes(head + response.content)
    name = "content-disposition"
    return {
        part.get_param("name", header=name): part.get_payload(decode=True)
        for part in message.get_payload()
    }


@pytest.mark.parametrize("path", POSTS)
@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"", "bad-request"),
        (b"no image at all", "unsupported"),
        (b"GIF89a" + bytes(100), "unsupported"),
        (file(image())[:500], "broken-image"),
        (file(image(), "JPEG")[:300], "broken-image"),
        (bytes(2**22 + 1), "too-large"),
    ],
)
def test_what_is_no_image_is_refused_with_its_slug(client, path, body, expected):
    assert slug(client.post(f"/v1/{path}", content=body)) == expected


def test_an_image_of_too_many_pixels_is_refused_before_it_is_decoded(client):
    bomb = file(np.zeros((3000, 1000), np.uint8))
    assert len(bomb) < 10_000
    response = client.post("/v1/remove", content=bomb)
    assert slug(response) == "too-large"


@pytest.mark.parametrize(
    "url",
    [
        "/v1/remove?strength=2",
        "/v1/remove?strength=nan",
        "/v1/remove?strength=half",
        "/v1/remove?sensitivity=-0.1",
        "/v1/remove?strenght=1",
        "/v1/remove?format=gif",
        "/v1/remove?quality=0",
        "/v1/mask?style=other",
        "/v1/decompose?layers=depth",
        "/v1/decompose?layers=",
        "/v1/preview?pixels=0",
    ],
)
def test_a_wrong_parameter_is_named(client, url):
    response = client.post(url, content=file(image()))
    assert slug(response) == "invalid-parameter"
    name = url.partition("?")[2].partition("=")[0]
    assert name in response.json()["detail"]


def test_fields_of_the_form_are_checked_as_the_query_is(client):
    for fields in ({"strength": "7"}, {"strenght": "1"}):
        response = client.post("/v1/remove", files={"file": file(image())}, data=fields)
        assert slug(response) == "invalid-parameter"
    response = client.post("/v1/remove", files={"other": file(image())})
    assert slug(response) == "bad-request"
    response = client.post("/v1/mask", files={"file": file(image()), "mask": file(image())})
    assert slug(response) == "bad-request"


@given(st.binary(max_size=400), st.sampled_from(POSTS), st.booleans())
@settings(max_examples=60, deadline=None)
def test_no_form_and_no_body_is_an_error_of_the_server(client, body, path, form):
    kind = "multipart/form-data; boundary=b" if form else "image/png"
    if form:
        body = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n' + body
    response = client.post(f"/v1/{path}", content=body, headers={"content-type": kind})
    assert 400 <= response.status_code < 500
    slug(response)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF", "BMP"])
def test_no_damaged_image_is_an_error_of_the_server(client, kind):
    whole = file(image(24, 36), kind)
    rng = np.random.default_rng(5)
    for _ in range(25):
        damaged = bytearray(whole)
        for _ in range(rng.integers(1, 8)):
            damaged[rng.integers(len(damaged))] = rng.integers(256)
        response = client.post("/v1/remove", content=bytes(damaged[: rng.integers(30, len(whole))]))
        assert response.status_code < 500
        if response.status_code != 200:
            slug(response)


def test_what_does_not_exist_is_a_problem_document_too(client):
    assert slug(client.get("/nothing")) == "not-found"
    assert slug(client.get("/page/../app.py")) == "not-found"
    assert slug(client.get("/page/%2e%2e/app.py")) == "not-found"
    assert slug(client.get("/v1/remove")) == "method-not-allowed"


def test_every_answer_carries_the_security_headers(client):
    answers = [
        client.get("/"),
        client.get("/page/main.js"),
        client.get("/v1/info"),
        client.get("/nothing"),
        client.post("/v1/remove", content=b"?"),
        client.get("/v1/info", headers={"host": "evil.example"}),
    ]
    for answer in answers:
        for name, value in HEADERS.items():
            assert answer.headers[name] == value
    assert "unsafe" not in HEADERS["Content-Security-Policy"]
    assert client.get("/v1/info").headers["cache-control"] == "no-store"


def test_the_page_loads_nothing_from_elsewhere_and_has_no_inline_code(client):
    page = client.get("/").text
    for forbidden in ("http:", "https:", "//", "style=", "onclick", "<style", "javascript:"):
        assert forbidden not in page.replace("<!doctype", "").replace("http://www.w3.org", "")
    for name in ("main.js", "viewer.js", "brush.js", "api.js", "style.css", "icon.svg"):
        answer = client.get(f"/page/{name}")
        assert answer.status_code == 200
        assert "http" not in answer.text.replace("http://www.w3.org", "")
        assert "innerHTML" not in answer.text
    assert client.get("/page/main.js").headers["content-type"].startswith("text/javascript")


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "", "a b", "[::1"])
def test_another_host_name_is_refused(client, host):
    assert slug(client.get("/v1/info", headers={"host": host})) == "wrong-host"


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8765", "127.0.0.1:1", "[::1]:8765"])
def test_names_and_addresses_of_this_machine_are_accepted(client, host):
    assert client.get("/v1/info", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "http://localhost:9"},
        {"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"},
        {"sec-fetch-site": "same-site", "sec-fetch-mode": "cors"},
    ],
)
def test_pages_of_other_origins_are_refused(client, headers):
    response = client.post("/v1/remove", content=file(image()), headers=headers)
    assert slug(response) == "other-origin"
    assert "access-control-allow-origin" not in response.headers


def test_the_page_itself_and_links_to_it_are_welcome(client):
    own = {"origin": "http://localhost", "sec-fetch-site": "same-origin"}
    assert client.get("/v1/info", headers=own).status_code == 200
    link = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}
    assert client.get("/", headers=link).status_code == 200


def test_a_token_guards_the_api_but_not_the_page(remover):
    app = create_app(Threads(Worker(remover, 10**6), 1), Limits(), ("shine.example",), "s3cret")
    with TestClient(app, base_url="http://shine.example") as client:
        for path in ("/", "/healthz", "/readyz", "/openapi.json", "/page/main.js"):
            assert client.get(path).status_code == 200
        for path in ("/v1/info", "/metrics"):
            response = client.get(path)
            assert slug(response) == "unauthorized"
            assert response.headers["www-authenticate"].startswith("Bearer")
            for wrong in ("Bearer wrong", "Basic s3cret", "s3cret", "Bearer", "Bearer s3cret2"):
                assert client.get(path, headers={"authorization": wrong}).status_code == 401
            right = {"authorization": "Bearer s3cret"}
            assert client.get(path, headers=right).status_code == 200


def test_health_and_readiness_have_both_names(remover):
    app = create_app(Threads(Worker(remover, 10**6), 1))
    with TestClient(app, base_url="http://localhost") as client:
        assert client.get("/healthz").json() == client.get("/v2/health/live").json()
        assert client.get("/readyz").json() == client.get("/v2/health/ready").json()
        app.state.draining = True
        assert slug(client.get("/readyz")) == "shutting-down"
        assert client.get("/healthz").status_code == 200


def test_metrics_count_what_was_answered(client):
    client.post("/v1/remove", content=b"nothing")
    client.get("/no/such/path/one")
    client.get("/no/such/path/two")
    text = client.get("/metrics").text
    assert 'unshine_requests_total{path="/v1/remove",status="415"}' in text
    assert 'path="other"' in text
    assert "/no/such/path" not in text
    assert "unshine_waiting 0.0" in text


def test_the_description_names_every_problem_that_it_may_answer(client):
    description = client.get("/openapi.json").json()
    assert description["openapi"].startswith("3.1")
    for path in POSTS:
        operation = description["paths"][f"/v1/{path}"]["post"]
        assert set(operation["requestBody"]["content"]) == {
            "multipart/form-data",
            "application/octet-stream",
        }
        for status in ("400", "401", "408", "413", "415", "422", "429", "504"):
            assert "application/problem+json" in operation["responses"][status]["content"]
    assert len(KINDS) == len(set(KINDS))


def test_only_loopback_addresses_count_as_private():
    assert all(is_loopback(host) for host in ("127.0.0.1", "127.3.2.1", "::1", "localhost"))
    assert not any(is_loopback(host) for host in ("0.0.0.0", "::", "10.0.0.1", "example.org"))


def test_no_upload_reaches_the_disk(client, monkeypatch):
    import tempfile

    def rolled(self):
        raise AssertionError("an upload was written to disk")

    monkeypatch.setattr(tempfile.SpooledTemporaryFile, "rollover", rolled)
    noise = np.random.default_rng(0).integers(0, 256, (900, 1200, 3), np.uint8)
    body = file(noise)
    assert len(body) > 3 * 2**20
    response = client.post("/v1/mask", files={"file": ("secret-name.png", body)})
    assert response.status_code == 200

// Calls the server. Nothing else on the page does.

/** What went wrong, in words that can be shown. */
export class Failure extends Error {
  constructor(title, detail, slug = "") {
    super(detail);
    this.title = title;
    this.slug = slug;
  }
}

let token = "";
try {
  const given = new URLSearchParams(location.hash.slice(1)).get("token");
  if (given) {
    sessionStorage.setItem("token", given);
    history.replaceState(null, "", location.pathname);
  }
  token = sessionStorage.getItem("token") || "";
} catch {
  // Where nothing may be stored the token is asked for again.
}

let asking = null;

/** Ask for the token, once for all calls that lack it. */
function askForToken() {
  asking ??= new Promise((resolve) => {
    const dialog = document.getElementById("token-dialog");
    const field = document.getElementById("token");
    field.value = "";
    dialog.addEventListener("close", () => {
      asking = null;
      token = dialog.returnValue === "ok" ? field.value.trim() : "";
      try {
        sessionStorage.setItem("token", token);
      } catch { /* as above */ }
      resolve(Boolean(token));
    }, { once: true });
    dialog.returnValue = "";
    dialog.showModal();
  });
  return asking;
}

/**
 * Send a form; return a Response. XMLHttpRequest, since fetch does not tell how far an upload is.
 * @param {string} path with its query
 * @param {Record<string, Blob>} parts
 * @param {{signal?: AbortSignal, sent?: (share: number) => void}} options
 */
export async function post(path, parts, { signal, sent } = {}) {
  const form = new FormData();
  for (const [name, blob] of Object.entries(parts)) form.append(name, blob, blob.name || name);
  for (let attempt = 0; ; attempt++) {
    const response = await send(path, form, signal, sent);
    if (response.ok) return response;
    const problem = await response.json().catch(() => ({}));
    const slug = (problem.type || "").split(":").pop();
    if (slug === "unauthorized" && await askForToken()) continue;
    const wait = Number(response.headers.get("Retry-After"));
    if (slug === "queue-full" && wait && attempt < 20) {
      await pause(1000 * wait * (0.7 + 0.6 * Math.random()), signal);
      continue;
    }
    throw new Failure(problem.title || "The server failed", problem.detail || `It answered ${response.status}.`, slug);
  }
}

function send(path, form, signal, sent) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", path);
    request.responseType = "blob";
    if (token) request.setRequestHeader("Authorization", `Bearer ${token}`);
    request.upload.onprogress = (event) => sent?.(event.loaded / event.total);
    request.onload = () => {
      const headers = new Headers();
      for (const name of ["Content-Type", "Retry-After", "Server-Timing", "X-Unshine-Changed", "X-Unshine-Lost"]) {
        const value = request.getResponseHeader(name);
        if (value) headers.set(name, value);
      }
      resolve(new Response(request.response, { status: request.status, headers }));
    };
    request.onerror = () => reject(new Failure(
      "The server does not answer", "It may have stopped, or ended the upload. Start it again and try once more."));
    request.onabort = () => reject(new DOMException("Cancelled", "AbortError"));
    signal?.addEventListener("abort", () => request.abort(), { once: true });
    if (signal?.aborted) request.abort();
    else request.send(form);
  });
}

function pause(milliseconds, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, milliseconds);
    signal?.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(new DOMException("Cancelled", "AbortError"));
    }, { once: true });
  });
}

/** Fetch what the blending needs: see PreviewParameters in the API's description. */
export async function preview(file, pixels, layers, options) {
  const query = new URLSearchParams({ pixels, layers });
  const response = await post(`v1/preview?${query}`, { file }, options);
  const parts = Object.fromEntries((await response.formData()).entries());
  parts.info = JSON.parse(await parts.info.text());
  return parts;
}

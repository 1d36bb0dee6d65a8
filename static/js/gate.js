// Puts "Show" into password fields, prints, and speaks with authenticators.
// Without this script there is no "Show" and no "Print", the pages say that passkeys need it, and
// nothing else is missing.
const word = document.querySelector("script[data-show]").dataset.show;

for (const input of document.querySelectorAll(".secret input")) {
  const button = document.createElement("button");
  const name = document.createElement("span");
  button.type = "button";
  button.setAttribute("aria-pressed", "false");
  name.className = "vh";
  name.textContent = `: ${input.labels[0].textContent}`;
  button.append(word, name);
  const show = (on) => {
    input.type = on ? "text" : "password";
    button.setAttribute("aria-pressed", on);
  };
  button.addEventListener("click", () => show(input.type === "password"));
  // A field that is sent as text would be remembered as text.
  input.form.addEventListener("submit", () => show(false));
  input.after(button);
}

for (const button of document.querySelectorAll("[data-print]")) {
  button.hidden = false;
  button.addEventListener("click", () => print());
}

const api = window.PublicKeyCredential;
const bytes = (s) => Uint8Array.from(atob(s.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt());
const text = (b) => btoa(String.fromCharCode(...new Uint8Array(b))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");

// The server makes a challenge; bytes travel as base64url.
async function options(form) {
  const answer = await fetch(form.dataset.begin, { method: "POST", body: new URLSearchParams(new FormData(form)) });
  const { publicKey: o } = await answer.json();
  for (const one of [o, ...(o.allowCredentials || []), ...(o.excludeCredentials || []), ...(o.user ? [o.user] : [])]) {
    for (const name of ["id", "challenge"]) if (one[name]) one[name] = bytes(one[name]);
  }
  return o;
}

function send(form, c) {
  const response = { transports: c.response.getTransports?.() };
  for (const name of ["clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"]) {
    if (c.response[name]) response[name] = text(c.response[name]);
  }
  form.credential.value = JSON.stringify({ id: c.id, rawId: c.id, type: c.type, clientExtensionResults: {}, response });
  form.submit();
}

// A browser asks one thing at a time, whichever form began it; the words for what
// can go wrong stand in the first.
let waiting;
const words = document.querySelector("[data-cancelled]")?.dataset;

for (const form of document.querySelectorAll("form[data-begin]")) {
  const note = form.querySelector("[role=alert]");
  const tell = (key) => {
    note.textContent = words[key];
    note.hidden = false;
  };
  const create = "create" in form.dataset;
  const run = async (mediation) => {
    waiting?.abort();
    const { signal } = (waiting = new AbortController());
    const publicKey = await options(form);
    const call = { publicKey, signal, mediation };
    const c = await (create ? navigator.credentials.create(call) : navigator.credentials.get(call));
    if (c) send(form, c);
  };
  form.hidden = false;
  if (!api) {
    form.querySelector("button").disabled = true;
    tell("none");
    continue;
  }
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    note.hidden = true;
    if (form.conditional) form.conditional.value = ""; // what waits by itself is given up
    try {
      await run();
    } catch (e) {
      tell({ NotAllowedError: "cancelled", AbortError: "cancelled", InvalidStateError: "known" }[e.name] || "failed");
    }
  });
  // Autofill: a challenge is good for five minutes, so a page that stays open
  // asks for another while somebody looks at it.
  const autofill = () => {
    if (!document.hidden) run("conditional").catch(() => {});
    setTimeout(autofill, 24e4);
  };
  // Right after a password a browser may make one without asking.
  if ("conditional" in form.dataset) {
    api.getClientCapabilities?.().then((can) => {
      if (!can.conditionalCreate) return;
      form.conditional.value = "1";
      run("conditional").catch(() => {});
    });
  }
  if ("autofill" in form.dataset) api.isConditionalMediationAvailable?.().then((can) => can && autofill());
}

// What the list of passkeys of this device should know.
for (const { dataset: d } of document.querySelectorAll("[data-rp]")) {
  const tellDevice = (name, more) => api?.[name]?.({ rpId: d.rp, ...more }).catch(() => {});
  if (d.unknown) tellDevice("signalUnknownCredential", { credentialId: d.unknown });
  if (d.user) {
    tellDevice("signalAllAcceptedCredentials", { userId: d.user, allAcceptedCredentialIds: d.ids.split(" ").filter(Boolean) });
    tellDevice("signalCurrentUserDetails", { userId: d.user, name: d.name, displayName: d.display });
  }
}

// Solves the challenge of a form: finds a counter for which the SHA-256 hash
// of challenge, "." and counter begins with so many zero bits. The same file is
// the worker that computes, so that the page stays quick meanwhile.
const inPage = typeof document !== "undefined";

// The constants are the first bits of roots of primes (FIPS 180-4, sections 4.2.2
// and 5.3.3).
const primes = [];
for (let n = 2; primes.length < 64; n++) if (primes.every((p) => n % p)) primes.push(n);
const fraction = (x) => ((x % 1) * 2 ** 32) | 0;
const K = Int32Array.from(primes, (p) => fraction(Math.cbrt(p)));
const H = Int32Array.from(primes.slice(0, 8), (p) => fraction(Math.sqrt(p)));
const W = new Int32Array(64);

// One block of 16 words in W is hashed into h (section 6.2.2).
function compress(h) {
  for (let i = 16; i < 64; i++) {
    const x = W[i - 15], y = W[i - 2];
    W[i] = (W[i - 16] + W[i - 7] +
      (((x >>> 7) | (x << 25)) ^ ((x >>> 18) | (x << 14)) ^ (x >>> 3)) +
      (((y >>> 17) | (y << 15)) ^ ((y >>> 19) | (y << 13)) ^ (y >>> 10))) | 0;
  }
  // Taking them apart in one go would cost two thirds of the pace.
  let a = h[0], b = h[1], c = h[2], d = h[3], e = h[4], f = h[5], g = h[6], k = h[7];
  for (let i = 0; i < 64; i++) {
    const t = (k + (((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7))) +
      ((e & f) ^ (~e & g)) + K[i] + W[i]) | 0;
    const u = ((((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10))) +
      ((a & b) ^ (a & c) ^ (b & c))) | 0;
    k = g; g = f; f = e; e = (d + t) | 0; d = c; c = b; b = a; a = (t + u) | 0;
  }
  h[0] += a; h[1] += b; h[2] += c; h[3] += d; h[4] += e; h[5] += f; h[6] += g; h[7] += k;
}

const put = (i, byte) => (W[i >> 2] |= byte << (24 - 8 * (i & 3)));

// The whole blocks of the challenge are hashed once; what is left of it has
// room for the counter in one block more.
function solve(challenge, bits) {
  const text = challenge + ".", whole = text.length & ~63, rest = new Int32Array(16), begin = H.slice(), h = H.slice();
  for (let at = 0; at < text.length; at++) {
    if (at % 64 === 0) W.fill(0);
    put(at % 64, text.charCodeAt(at));
    if (at % 64 === 63) compress(begin);
  }
  if (text.length > whole) rest.set(W.subarray(0, 16));
  for (let n = 0; ; n++) {
    const digits = String(n);
    let at = text.length - whole;
    W.set(rest);
    for (let i = 0; i < digits.length; i++) put(at++, digits.charCodeAt(i));
    put(at, 128);
    W[15] = (whole + at) * 8;
    h.set(begin);
    compress(h);
    if (h[0] >>> (32 - bits) === 0) return text + digits;
    if (n % 16384 === 0) postMessage({ share: 1 - Math.exp(-n / 2 ** bits) });
  }
}

if (!inPage) onmessage = ({ data }) => postMessage({ answer: solve(data.challenge, data.bits) });

if (inPage) {
  const box = document.querySelector(".work");
  const [field, note, bar] = box.querySelectorAll("input, p[role], progress");
  const form = field.form;
  let { challenge, bits } = box.dataset, given = Date.now(), good = 0, running, sent;

  // A challenge is good for two minutes: a page that was open for longer asks
  // for another one.
  async function fresh() {
    if (Date.now() - given < 6e4) return;
    const page = new DOMParser().parseFromString(await (await fetch(location.pathname)).text(), "text/html");
    ({ challenge, bits } = page.querySelector(".work")?.dataset || {});
    given = Date.now();
  }

  const compute = () =>
    new Promise((done, fail) => {
      const worker = new Worker(import.meta.url, { type: "module" });
      worker.onerror = fail;
      worker.onmessage = ({ data }) => {
        if (data.share) bar.value = 100 * data.share;
        if (!data.answer) return;
        worker.terminate();
        done(data.answer);
      };
      worker.postMessage({ challenge, bits: +bits });
    });

  async function work() {
    note.textContent = box.dataset.busy;
    bar.value = 0;
    bar.hidden = false;
    await fresh();
    // Nothing is asked for any more.
    if (!challenge) field.disabled = true;
    else field.value = await compute();
    good = given + 11e4;
    note.textContent = box.dataset.done;
    bar.hidden = true;
  }

  const begin = async () => {
    if (running || Date.now() < good) return;
    running = true;
    try {
      await work();
    } catch {
      // Sent as it is, the form is told how long to wait instead.
      note.textContent = box.dataset.failed;
      bar.hidden = true;
      good = Infinity;
    }
    running = false;
    if (sent) form.requestSubmit(sent);
  };
  form.addEventListener("focusin", begin);
  form.addEventListener("submit", (event) => {
    if (!running && Date.now() < good) return;
    event.preventDefault();
    sent = event.submitter || form.querySelector("button:not([type])");
    begin();
  });
  begin();
}

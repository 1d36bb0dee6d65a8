// A peer of the benchmark: better-auth with its own defaults, one user, and a
// guarded route beside its API. Usage: node server.js PORT DATABASE
import { createServer } from "node:http";
import { betterAuth } from "better-auth";
import { getMigrations } from "better-auth/db/migration";
import { fromNodeHeaders, toNodeHandler } from "better-auth/node";
import Database from "better-sqlite3";

const [port, file] = process.argv.slice(2);
const base = `http://localhost:${port}`;
const auth = betterAuth({
  baseURL: base,
  secret: "0123456789abcdef0123456789abcdef",
  database: new Database(file),
  emailAndPassword: { enabled: true },
  rateLimit: { enabled: false },
  telemetry: { enabled: false },
});
await (await getMigrations(auth.options)).runMigrations();
await auth.api.signUpEmail({ body: { name: "bench", email: "bench@example.com", password: "correct-horse-bench" } }).catch(() => {});

const api = toNodeHandler(auth);
createServer(async (req, res) => {
  if (req.url === "/hello") return res.end("hello");
  if (req.url !== "/auth") return api(req, res);
  const session = await auth.api.getSession({ headers: fromNodeHeaders(req.headers) });
  res.statusCode = session ? 200 : 401;
  res.setHeader("Content-Type", "application/json");
  res.end(JSON.stringify({ sub: session?.user.id }));
}).listen(Number(port), "127.0.0.1");

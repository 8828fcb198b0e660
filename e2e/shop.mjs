// A shop on its own origin that has the page script in its pages, a tag's origin, and a Privacy Center that can be stopped and started.
import { execFileSync, spawn } from "node:child_process";
import { createServer } from "node:http";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { extname, join, resolve } from "node:path";

const PAGES = resolve(import.meta.dirname, "shop");
const KINDS = { ".html": "text/html; charset=utf-8", ".js": "text/javascript", ".css": "text/css" };

const MAP = `
systems:
  cabinet: { title: Filing cabinet, connection: { kind: manual, operator: Robin, instructions: Look there., due_days: 10 } }
datasets:
  cabinet:
    system: cabinet
    collections:
      card: { title: Cards, primary_key: [number], fields: { number: { category: user.unique_id, type: integer, nullable: false }, email: { category: user.contact.email, identity: email } } }
recipients:
  sweet_leads: { title: Sweet Leads, role: third_party, sold: true, shared: true, categories: [user.contact.email], purpose: to sell it on, known_by: [email], required_level: attested, channel: { kind: email, to: privacy@sweet-leads.example } }
  paper_mill: { title: Paper Mill, role: service_provider, categories: [user.contact.email], purpose: to print the catalogue, known_by: [email], required_level: attested, channel: { kind: email, to: privacy@paper-mill.example } }
  parcel_post: { title: Parcel Post House, role: service_provider, categories: [user.contact.email], purpose: to send parcels, known_by: [email], required_level: attested, channel: { kind: email, to: privacy@parcel-post.example } }
`;

/** Serves the shop's pages; `headers` come with each. */
function serve(replace, headers = {}) {
  const server = createServer((request, response) => {
    const file = join(PAGES, new URL(request.url, "http://shop").pathname.replace(/\/$/, "/index.html"));
    if (!file.startsWith(PAGES) || !existsSync(file)) {
      response.writeHead(404).end();
      return;
    }
    response.writeHead(200, { "content-type": KINDS[extname(file)] ?? "text/plain", ...headers });
    response.end(replace(readFileSync(file, "utf8")));
  });
  return new Promise((done) => server.listen(0, "127.0.0.1", () => done(server)));
}

/** The shop with everything around it. Close it when done. */
export async function openShop(folder, program) {
  const port = await freePort();
  const center = `http://127.0.0.1:${port}`;
  const tag = await serve((text) => text);
  const fill = (text) => text.replaceAll("CENTER", center).replaceAll("TAG", `http://127.0.0.1:${tag.address().port}`);
  const shop = await serve(fill);
  const policy = `default-src 'none'; script-src 'self' ${center} 'nonce-abc'; connect-src ${center}; style-src 'self'; frame-src 'self'; base-uri 'none'`;
  const strict = await serve((text) => fill(text).replaceAll('data-purpose="personalisation">ran', 'data-purpose="personalisation" nonce="abc">ran'), { "content-security-policy": policy });
  const stranger = await serve(fill);
  const origin = (server) => `http://localhost:${server.address().port}`;
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "map.yaml"), MAP);
  const settings = {
    business: { name: "Hearth & Crumb", privacy_contact: "privacy@hearth-and-crumb.example", online_only: true },
    base_url: center,
    listen: `127.0.0.1:${port}`,
    storage: `sqlite:${join(folder, "privity.db")}`,
    data_map: "map.yaml",
    consent: resolve(import.meta.dirname, "../demo/consent"),
    profile: resolve(import.meta.dirname, "../demo/profile.yaml"),
    guardian_proofs: ["call"],
    sites: [origin(shop), origin(strict)],
    mail: { url: "smtp://127.0.0.1:1", tls: "none", from: "privacy@hearth-and-crumb.example" },
  };
  writeFileSync(join(folder, "privity.yaml"), JSON.stringify(settings));
  const privity = new PrivacyCenter(folder, program, center);
  const operator = ["--config", join(folder, "privity.yaml"), "operator", "add", "Robin", "--json"];
  const { key } = JSON.parse(execFileSync(program, operator, { stdio: ["ignore", "pipe", "ignore"] }).toString());
  await privity.start();
  /** One call of the business's own programs. */
  const call = async (path, body) => {
    const headers = { authorization: `Bearer ${key}`, "content-type": "application/json" };
    const answer = await fetch(`${center}/api/v1${path}`, { method: "POST", headers, body: JSON.stringify(body) });
    return { status: answer.status, body: await answer.json() };
  };
  return {
    call,
    url: origin(shop), strict: origin(strict), stranger: origin(stranger), center, privity,
    close: async () => {
      await privity.stop();
      for (const server of [shop, strict, stranger, tag]) {
        server.closeAllConnections();
        server.close();
      }
    },
  };
}

class PrivacyCenter {
  constructor(folder, program, url) {
    Object.assign(this, { folder, program, url });
  }

  async start() {
    let log = "";
    this.child = spawn(this.program, ["--config", join(this.folder, "privity.yaml"), "serve"], { stdio: ["ignore", "pipe", "pipe"] });
    this.child.stdout.on("data", (text) => (log += text));
    this.child.stderr.on("data", (text) => (log += text));
    for (let attempt = 0; attempt < 300; attempt += 1) {
      if (this.child.exitCode !== null) break;
      if ((await fetch(`${this.url}/healthz`).catch(() => ({}))).ok) return;
      await new Promise((done) => setTimeout(done, 100));
    }
    throw new Error(`the Privacy Center did not start: ${log.slice(-500)}`);
  }

  async stop() {
    if (!this.child || this.child.exitCode !== null) return;
    const ended = new Promise((done) => this.child.once("exit", done));
    this.child.kill("SIGKILL");
    await ended;
  }
}

async function freePort() {
  const server = await serve((text) => text);
  const { port } = server.address();
  await new Promise((done) => server.close(done));
  return port;
}

import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { request } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { connect, createServer } from "node:tls";
import { pino } from "pino";
import { makeCertificate } from "./testing/certificate.ts";
import { startTestPlatform } from "./testing/start-test-platform.ts";
import { until } from "./testing/until.ts";
import { followTls, readTls } from "./tls.ts";

let directory = "";
before(async () => {
  directory = await mkdtemp(join(tmpdir(), "corral-tls-"));
});
after(() => rm(directory, { recursive: true, force: true }));

const paths = () => ({ cert: join(directory, "cert.pem"), key: join(directory, "key.pem") });
const write = async ({ cert, key }: ReturnType<typeof makeCertificate>) => {
  await writeFile(paths().cert, cert);
  await writeFile(paths().key, key);
};

test("files that cannot serve are refused with their settings and paths", async () => {
  await assert.rejects(
    readTls({ cert: "/nowhere/c.pem", key: "/nowhere/k.pem" }),
    /CORRAL_TLS_CERT is "\/nowhere\/c\.pem", which cannot be read \(ENOENT\)/,
  );
  await write({ ...makeCertificate(), key: makeCertificate().key });
  await assert.rejects(
    readTls(paths()),
    /CORRAL_TLS_CERT .*cert\.pem.* and CORRAL_TLS_KEY .*do not go together/,
  );
  await write(makeCertificate());
  assert.ok((await readTls(paths())).cert.length > 0);
});

test("a renewed certificate is served without a restart, and half of one changes nothing", async () => {
  const first = makeCertificate("first");
  await write(first);
  const files = await readTls(paths());
  const lines: string[] = [];
  const server = createServer(files, (socket) => socket.end());
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  const servedName = async (): Promise<unknown> => {
    const socket = connect({ port, host: "127.0.0.1", rejectUnauthorized: false });
    await once(socket, "secureConnect");
    const { subject } = socket.getPeerCertificate();
    socket.destroy();
    return subject.CN;
  };
  const log = pino({}, { write: (line: string) => void lines.push(line) });
  const following = followTls({
    paths: paths(),
    files,
    use: (found) => server.setSecureContext(found),
    everyMs: 20,
    log,
  });
  try {
    assert.equal(await servedName(), "first");
    const second = makeCertificate("second");
    await writeFile(`${paths().cert}.new`, second.cert);
    await rename(`${paths().cert}.new`, paths().cert);
    await until("half of it is told", () => lines.some((line) => line.includes("stays as it is")));
    assert.equal(await servedName(), "first");
    await writeFile(`${paths().key}.new`, second.key);
    await rename(`${paths().key}.new`, paths().key);
    await until("it is served", async () => (await servedName()) === "second");
    assert.equal(lines.filter((line) => line.includes("stays as it is")).length, 1, "told once");
  } finally {
    following[Symbol.dispose]();
    server.close();
  }
});

test("a platform with a certificate answers https, and names itself so to the Truss command", async () => {
  const certificate = makeCertificate();
  const platform = await startTestPlatform({
    tls: { cert: Buffer.from(certificate.cert), key: Buffer.from(certificate.key) },
  });
  try {
    const call = request(`${platform.url}/graphql/`, {
      method: "POST",
      ca: certificate.cert,
      headers: { "content-type": "application/json", authorization: `Api-Key ${platform.adminKey}` },
    });
    call.end(JSON.stringify({ query: "{ model_s3_upload_credentials { s3_key } }" }));
    const [answer] = (await once(call, "response")) as [AsyncIterable<Buffer>];
    const text = Buffer.concat(await Array.fromAsync(answer)).toString();
    const { data } = JSON.parse(text) as { data: { model_s3_upload_credentials: { endpoint_url: string } } };
    assert.equal(data.model_s3_upload_credentials.endpoint_url, `https://127.0.0.1:${platform.port}/s3`);
    // As to a proxy: the caller's own scheme stays.
    const forwarded = request({
      host: "127.0.0.1",
      port: platform.port,
      path: "http://localhost:8000/graphql/",
      method: "POST",
      ca: certificate.cert,
      headers: {
        host: "localhost:8000",
        "content-type": "application/json",
        authorization: `Api-Key ${platform.adminKey}`,
      },
    });
    forwarded.end(JSON.stringify({ query: "{ model_s3_upload_credentials { s3_key } }" }));
    const [proxied] = (await once(forwarded, "response")) as [AsyncIterable<Buffer>];
    assert.match(Buffer.concat(await Array.fromAsync(proxied)).toString(), /"http:\/\/localhost:8000\/s3"/);
  } finally {
    await platform[Symbol.asyncDispose]();
  }
});

// Records what the real truss command asks of GraphQL, command by command: node scripts/record-truss-requests.ts
// PATH_OF_TRUSS. What differs from run to run stands as a word in braces. The platform's tests replay the file.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, request as sendRequest } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { setTimeout as sleep } from "node:timers/promises";
import { runCommand, startCorral, waitUntil } from "../e2e/harness.ts";

interface Recorded {
  readonly command: string;
  readonly requests: { readonly contentType: string; readonly body: string }[];
}

const [truss] = process.argv.slice(2);
if (truss === undefined) throw new Error("Give the path of a truss command.");
const { stdout } = await runCommand(truss, ["--version"]);
const version = /\d+\.\d+\.\d+/.exec(stdout)?.[0] ?? "unknown";
const isOld = version.startsWith("0.9.");
const directory = await mkdtemp(join(tmpdir(), "corral-record-"));
const commands: Recorded[] = [];
await using corral = await startCorral({ quickstart: false });

const proxy = createServer((request, response) => {
  void (async () => {
    const body = Buffer.concat(await request.toArray());
    const target = request.url ?? "/";
    const { expect: _, "transfer-encoding": __, ...headers } = request.headers;
    if (/\/graphql\/?$/.test(target))
      commands
        .at(-1)
        ?.requests.push({ contentType: request.headers["content-type"] ?? "", body: body.toString() });
    const forwarded = sendRequest({
      port: new URL(corral.url).port,
      host: "127.0.0.1",
      method: request.method ?? "GET",
      path: target,
      headers: { ...headers, "content-length": String(body.length) },
    });
    forwarded.end(body);
    const [answer] = (await once(forwarded, "response")) as [
      NodeJS.ReadableStream & { statusCode?: number; rawHeaders: string[] },
    ];
    response.writeHead(answer.statusCode ?? 502, answer.rawHeaders);
    answer.pipe(response);
  })().catch(() => request.socket.destroy());
});
proxy.listen(0, "127.0.0.1");
await once(proxy, "listening");
const environment = {
  HOME: directory,
  TRUSS_NO_UPDATE_CHECK: "1",
  http_proxy: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`,
};

try {
  await writeFile(
    join(directory, ".trussrc"),
    `[corral]\nremote_provider = baseten\napi_key = ${corral.key}\nremote_url = http://localhost:8000\n`,
  );
  const published = isOld ? ["--publish"] : [];
  const model = await write("recorded", "first");
  await record("push", [model, ...published, "--trusted"]);
  await write("recorded", "second");
  await record("push of a second version", [model, ...published, "--promote"]);
  if (!isOld) {
    await write("recorded", "third");
    await record("push to an environment", [
      model,
      "--environment",
      "production",
      "--labels",
      '{"a": "b"}',
      "--deployment-name",
      "v3",
    ]);
  }
  const watched = await write("watched", "first");
  await recordWatch(watched);
  const places = new URL("../packages/platform/src/dialects/truss/testing/recorded/", import.meta.url);
  await mkdir(places, { recursive: true });
  const file = fileURLToPath(new URL(`truss-${version}.json`, places));
  const plain = withoutChance(JSON.stringify({ truss: version, commands }, null, 2));
  await writeFile(file, `${plain}\n`);
  console.log(`${file}: ${commands.map((one) => `${one.command} ${one.requests.length}`).join(", ")}`);
} finally {
  proxy.closeAllConnections();
  proxy.close();
  await rm(directory, { recursive: true, force: true });
}

async function record(command: string, words: readonly string[]): Promise<void> {
  commands.push({ command, requests: [] });
  const done = await runCommand(truss ?? "", ["push", ...words, "--remote", "corral"], environment);
  if (done.code !== 0) throw new Error(`${command}: ${done.stdout}${done.stderr}`);
}

async function recordWatch(place: string): Promise<void> {
  commands.push({ command: "push of a draft, watched", requests: [] });
  if (isOld) await runCommand(truss ?? "", ["push", place, "--remote", "corral"], environment);
  const words = isOld ? ["watch", place] : ["push", place, "--watch"];
  const child = spawn(truss ?? "", [...words, "--remote", "corral"], {
    env: { ...process.env, ...environment },
    cwd: directory,
    stdio: "ignore",
  });
  try {
    const last = isOld ? "patch_draft_truss" : "sync_draft_truss";
    const came = () => commands.at(-1)?.requests.some(({ body }) => body.includes(last)) === true;
    await sleep(12_000);
    for (let times = 1; !came() && times < 10; times += 1) {
      await write("watched", `edit ${times}`);
      await sleep(5_000);
    }
    await waitUntil("an edit is sent", 1_000, came);
    await sleep(2_000);
  } finally {
    child.kill("SIGKILL");
  }
}

async function write(name: string, mark: string): Promise<string> {
  const place = join(directory, name);
  const files = {
    "config.yaml": `model_name: ${name}\n`,
    "model/__init__.py": "",
    "model/model.py": `class Model:\n    def predict(self, model_input):\n        return ${JSON.stringify(mark)}\n`,
  };
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(place, path)), { recursive: true });
    await writeFile(join(place, path), text);
  }
  return place;
}

/** Ids that Corral gave, hashes of files, and the recording machine. */
function withoutChance(text: string): string {
  return text.replaceAll(/CRRL[A-Z0-9]{16}/g, "{s3_key}").replaceAll(directory, "{home}");
}

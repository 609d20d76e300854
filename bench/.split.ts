import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { startTarget } from "./targets/target.ts";
import { forwardedHeaders } from "@corral/contract";
import { execSync } from "node:child_process";
const [seconds = "3", conns = "32", entry = "corral-code", ...flags] = process.argv.slice(2);
const t = await startTarget("x", fileURLToPath(new URL(`targets/${entry}.ts`, import.meta.url)), [
  "{}",
  "--",
  ...flags,
]);
const hz = 100;
const cpu = () => {
  const out = new Map<number, [string, number]>();
  const ps = execSync("ps -eo pid,ppid,args --no-headers")
    .toString()
    .trim()
    .split("\n")
    .map((l) => {
      const m = /^\s*(\d+)\s+(\d+)\s+(.*)$/.exec(l)!;
      return { pid: +m[1]!, ppid: +m[2]!, args: m[3]! };
    });
  const mine = new Set([process.pid]);
  for (let i = 0; i < 6; i++) for (const p of ps) if (mine.has(p.ppid)) mine.add(p.pid);
  for (const p of ps)
    if (mine.has(p.pid) && p.pid !== process.pid) {
      try {
        const s = readFileSync(`/proc/${p.pid}/stat`, "utf8").split(") ")[1]!.split(" ");
        out.set(p.pid, [p.args.replace(/\S*node /, "").slice(0, 90), ((+s[11]! + +s[12]!) * 1000) / hz]);
      } catch {}
    }
  return out;
};
const body = JSON.stringify({ text: "hello", numbers: [1, 2.5, 3], nested: { yes: true, no: null } });
const go = async (ms: number) => {
  const job = {
    url: t.url,
    headers: t.headers,
    uuidHeader: entry === "corral-code" ? forwardedHeaders.runId : null,
    body,
    expected: '"hello"',
    connectionCount: +conns,
    warmupMs: 1000,
    measureMs: ms,
  };
  const c = spawn(
    process.execPath,
    [fileURLToPath(new URL("echo-client.ts", import.meta.url)), "--job", JSON.stringify(job)],
    { stdio: ["ignore", "pipe", "inherit"] },
  );
  let o = "";
  c.stdout.on("data", (d) => (o += d));
  await once(c, "close");
  return JSON.parse(o);
};
await go(1500);
const before = cpu();
const r = await go(+seconds * 1000);
const after = cpu();
console.log(
  `calls/s ${Math.round((r.latenciesMs.length / r.wallMs) * 1000)}  client cpu us/call ${((r.clientCpuMs / r.latenciesMs.length) * 1000).toFixed(0)}`,
);
for (const [pid, [args, ms]] of after) {
  const d = ms - (before.get(pid)?.[1] ?? 0);
  if (d > 20 && before.has(pid))
    console.log(`${((d / r.callCount) * 1000).toFixed(0).padStart(5)} us/call ${args}`);
}
await t.stop();
process.exit();
